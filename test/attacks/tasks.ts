/** All tasks. */
import { insideTasks } from './inside-tasks.ts'
import { outsideTasks } from './outside-tasks.ts'
import type { Task } from './task.ts'

export const tasks: readonly Task[] = [...outsideTasks, ...insideTasks]

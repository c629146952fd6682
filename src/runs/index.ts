export { priorities, type Priority, type RunQueue } from './queue.ts'
export type { HeldRuns, Run, Runs } from './runs.ts'
export { runs } from './service.ts'

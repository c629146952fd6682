import { developer } from './developer.ts'
import { nurse } from './nurse.ts'
import type { Person } from './person.ts'
import { teacher } from './teacher.ts'

export const people: readonly Person[] = [nurse, developer, teacher]

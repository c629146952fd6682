export { type Cadence, cadence, cadenceText, checkCadence, dueBetween, nextDue } from './cadence.ts'
export { priorities, type Priority, type RunQueue } from './queue.ts'
export type { HeldRuns, Run, Runs } from './runs.ts'
export { runs, type RunsPort } from './service.ts'

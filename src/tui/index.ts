/** The full-screen terminal. It knows the client only; the program that opens it brings the guest and the person's files. */
export { runTui, type TuiEnd, type TuiOptions } from './run.ts'
export type { Gateway, Link, Ports } from './ports.ts'
export type { FoundFile } from './completion.ts'
export type { AttachedFile } from './state.ts'

/** The full-screen terminal. It knows the client only; the program that opens it brings the guest and the person's files. */
export { runTui } from './run.ts'
export type { Link, Ports } from './ports.ts'
export type { FoundFile } from './completion.ts'

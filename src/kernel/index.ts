export { verifyJournal } from './audit/audit-verify.ts'
export { type CallReference, describeCall } from './call-reference.ts'
export type { KernelEvent } from './events.ts'
export { createKernel, describedKernelCalls, type Kernel, type SendTurn } from './kernel.ts'

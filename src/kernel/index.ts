export { verifyJournal } from './audit/audit-verify.ts'
export type * from './facade.ts'
export { createKernel, type KernelOptions } from './kernel.ts'
export { type CallReference, describeCall, describedKernelCalls } from './registry.ts'

export { verifyJournal } from './audit/audit-verify.ts'
export type * from './facade.ts'
export { createKernel } from './kernel.ts'
export { type CallReference, describeCall, describedKernelCalls } from './registry.ts'

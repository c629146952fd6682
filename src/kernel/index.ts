export { verifyJournal } from './audit/audit-verify.ts'
export { describeCall } from './call-reference.ts'
export type { KernelEvent } from './events.ts'
export { createKernel, describedKernelCalls, type Kernel } from './kernel.ts'

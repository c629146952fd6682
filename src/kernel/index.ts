export type * from './facade.ts'
export { createKernel, type KernelOptions } from './kernel.ts'
export { type CallReference, describeCall } from './registry.ts'

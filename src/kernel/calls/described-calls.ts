/** The kernel's calls for the reference, which describes them and runs none: a description needs nothing but the configuration. */
import type { Call, Config } from '../../types/index.ts'
import type { KernelCallDeps } from './kernel-calls.ts'

export async function describedKernelCalls(config: Config): Promise<readonly Call[]> {
  const { kernelCalls } = await import('./kernel-calls.ts')
  return kernelCalls({ config: config.model } as KernelCallDeps)
}

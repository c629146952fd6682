/** A guest's memory. Nothing of it is loaded or started before something is remembered or looked for. */
import { createMemory, type Memory } from '../memory/index.ts'
import type { Kernel } from '../kernel/index.ts'
import type { Store } from '../store/index.ts'
import { type Config, type Sandbox, systemClock } from '../types/index.ts'

export function openGuestMemory(store: Store, config: Config['memory']): Memory {
  return createMemory({ store, config, clock: systemClock })
}

/** None is configured as a rule: then nothing is loaded or started. */
export async function watchMemoryFolders(
  kernel: Kernel,
  sandbox: Sandbox,
  { folders }: Config['memory'],
): Promise<{ close(): Promise<void> }> {
  if (folders.length === 0) return { close: async () => {} }
  const { watchFolders } = await import('../tools/index.ts')
  return watchFolders({ folders, sandbox, ingest: (path) => kernel.call('memory.ingest', { path }) })
}

/** The adapter for plugins of ZoeyOS; loaded when one asks for it. */
import type { ZoeyAdapter, ZoeyOptions } from './zoey-adapter.ts'

export async function openZoeyAdapter(options: ZoeyOptions): Promise<ZoeyAdapter> {
  return (await import('./zoey-adapter.ts')).openZoeyAdapter(options)
}

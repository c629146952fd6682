/** A guest's memory. Nothing of it is loaded or started before something is remembered or looked for. */
import { createMemory, type Memory } from '../memory/index.ts'
import type { Store } from '../store/index.ts'
import { type Config, type Engine, systemClock } from '../types/index.ts'

export function openGuestMemory(store: Store, engine: Pick<Engine, 'embed'>, config: Config['memory']): Memory {
  return createMemory({ store, config, clock: systemClock, service: engine })
}

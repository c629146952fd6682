/** Decides when memory is tidied: after so many hours, or so many new sessions, and only when something was said. */
import type { Memory } from '../../memory/index.ts'
import type { Store } from '../../store/index.ts'
import type { Clock, Config } from '../../types/index.ts'
import { tidyCheckMs } from '../limits.ts'
import type { Background } from './background.ts'

interface TidyDueDeps {
  readonly memory: Memory
  readonly store: Pick<Store, 'sessions'>
  readonly clock: Clock
  readonly config: Config['memory']['consolidation']
  readonly background: Background
}

/** @returns what is told of the end of each turn. It costs nothing until the next look is due. */
export function createTidyDue({ memory, store, clock, config, background }: TidyDueDeps): () => void {
  if (!config.enabled) return () => {}
  let nextLook = clock.now() + tidyCheckMs
  const look = async (): Promise<void> => {
    const last = await (await memory.tidy()).lastAt()
    const newest = await store.sessions(config.min_sessions)
    const enough = newest.filter(({ createdAt }) => createdAt > last).length >= config.min_sessions
    const longAgo = last > 0 && clock.now() - last >= config.every_h * 60 * 60 * 1_000
    if (enough || longAgo) await background.run('', 'memory.tidy', {})
  }
  return () => {
    if (clock.now() < nextLook) return
    nextLook = clock.now() + tidyCheckMs
    void look().catch(() => {})
  }
}

/** Connects plugins with the rest of the kernel: their tasks and events. Loaded when a guest has plugins. */
import type { Documents, Events, Core } from '../../kernel/index.ts'
import type { Clock, Config, DescribedPlugin, RecordView } from '../../types/index.ts'
import { createPluginWork, type PluginWorkDeps } from './plugin-callers.ts'
import { createPluginEvents } from './plugin-events.ts'
import { createPluginTasks } from './plugin-tasks.ts'

export interface PluginDesk {
  /** Takes over the plugins that there are now. */
  refresh(): Promise<void>
  stop(): void
}

interface PluginDeskDeps extends PluginWorkDeps {
  readonly config: Config
  readonly clock: Clock
  readonly documents: Documents
  readonly noteEvent: Core['noteEvent']
  readonly events: Pick<Events, 'watchers'>
  /** @returns records from before the first look at plugins, and keeps no more */
  readonly early: () => readonly RecordView[]
  /** The same array until a plugin comes, goes or changes. */
  readonly plugins: () => readonly DescribedPlugin[]
}

/** How often it is looked whether plugins have come or gone; it compares two arrays. */
const lookMs = 1_000

export function createPluginDesk(deps: PluginDeskDeps): PluginDesk {
  const { config, clock, documents, noteEvent, newId, events, plugins, early } = deps
  const work = createPluginWork(deps)
  const tasks = createPluginTasks({ work, documents, clock, minIntervalS: config.schedules.min_interval_s, noteEvent, newId })
  const subscriptions = createPluginEvents(work)
  let held: readonly DescribedPlugin[] = []
  const refresh = async (): Promise<void> => {
    const now = plugins()
    if (now === held) return
    held = now
    subscriptions.take(now)
    if (!events.watchers.has(subscriptions.observe)) {
      for (const record of early()) subscriptions.observe(record)
      events.watchers.add(subscriptions.observe)
    }
    await tasks.take(now)
  }
  const looking = setInterval(() => void refresh().catch(() => {}), lookMs).unref()
  return {
    refresh,
    stop() {
      clearInterval(looking)
      events.watchers.delete(subscriptions.observe)
      subscriptions.stop()
      tasks.stop()
      work.stop()
    },
  }
}

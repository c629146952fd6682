/** Connects plugins with the rest of the kernel: their tasks and events. Loaded when a guest has plugins. */
import type { Documents, Events, Core } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import type { Clock } from '../../base/index.ts'
import type { DescribedPlugin, RecordView } from '../../protocol/index.ts'
import { type Config, sectionOf } from '../../config/index.ts'
import { schedulesConfig } from '../schedules/service.ts'
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
  readonly runs: Runs
  readonly events: Pick<Events, 'watchers'>
  /** @returns records from before the first look at plugins, and keeps no more */
  readonly early: () => readonly RecordView[]
  /** The same array until a plugin comes, goes or changes. */
  readonly plugins: () => readonly DescribedPlugin[]
}

/** How often it is looked whether plugins have come or gone; it compares two arrays. */
const lookMs = 1_000

export function createPluginDesk(deps: PluginDeskDeps): PluginDesk {
  const { config, events, plugins, early, runs } = deps
  const work = createPluginWork(deps)
  const stopping = new AbortController()
  const tasks = createPluginTasks({ ...deps, work, minIntervalS: sectionOf(schedulesConfig, config).min_interval_s })
  const subscriptions = createPluginEvents(work, (ms) => runs.pause(ms, stopping.signal))
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
  const look = async (): Promise<void> => {
    for (;;) {
      await runs.pause(lookMs, stopping.signal)
      await refresh().catch(() => {})
    }
  }
  void look().catch(() => {})
  return {
    refresh,
    stop() {
      stopping.abort()
      events.watchers.delete(subscriptions.observe)
      subscriptions.stop()
      work.stop()
    },
  }
}

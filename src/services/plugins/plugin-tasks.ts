/**
 * Tasks of plugins: each is a run that goes on once for each time that it is due. The id of its call follows from plugin, task and due time,
 * so a call that was made before a crash is not made again: its outcome is in the journal, or stays unknown. Of times that passed while no
 * guest ran, only the newest counts.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Core, type Documents } from '../../kernel/index.ts'
import { type Cadence, checkCadence, dueBetween, nextDue } from '../../runs/index.ts'
import type { Run, Runs } from '../../runs/index.ts'
import { type CallId, type Clock, derivedId, isOxbowError } from '../../base/index.ts'
import type { DescribedPlugin, PluginTask } from '../../protocol/index.ts'
import type { PluginWork } from './plugin-callers.ts'

const category = 'system/plugin-tasks'

export interface PluginTaskDeps {
  readonly work: PluginWork
  readonly runs: Pick<Runs, 'hold'>
  readonly documents: Pick<Documents, 'get' | 'put'>
  readonly clock: Clock
  readonly minIntervalS: number
  readonly noteEvent: Core['noteEvent']
  readonly newId: () => string
}

export interface PluginTasks {
  /** Takes over the tasks of these plugins, and starts those that are due; it does not wait for them. */
  take(plugins: readonly DescribedPlugin[]): Promise<void>
}

/** What is kept of a task, under `plugin/task`. */
interface TaskState {
  readonly cadence: Cadence
  /** Where intervals are counted from. */
  readonly from: number
  /** The newest time for which it has run, or when it was added. */
  readonly last: number
}

interface HeldTask {
  readonly plugin: string
  readonly task: PluginTask
  /** It may be due as often as its plugin says, and its state is kept. */
  isKept: boolean
}

export function createPluginTasks(deps: PluginTaskDeps): PluginTasks {
  const { clock, work } = deps
  /** Those that plugins have now. */
  const held = new Map<string, HeldTask>()
  const failed = ({ plugin, task }: HeldTask, code: string): void => deps.noteEvent('plugin_task_failed', { plugin, task: task.name, code })
  /** Makes the call of a time that is due. @returns when the next one is */
  const goOn = async ({ id: name, state, signal }: Run<TaskState>): Promise<number> => {
    const { cadence, last, from } = state
    const next = async (after: number): Promise<number> => (await nextDue(cadence, after, from)) ?? Infinity
    const [due] = await dueBetween(cadence, last, clock.now(), from, 1)
    const each = held.get(name)
    if (due === undefined || each === undefined) return next(last)
    const { plugin, task } = each
    const id = derivedId('plugin task', plugin, task.name, due) as CallId
    const outcome = await work.call('', 'plugin.task', { plugin, task: task.name, due }, { id, signal })
    // The time is still due when a guest runs again, and the journal knows what became of this call.
    if (signal.aborted) return Infinity
    // No agent has the right to the plugin: one may have it at the next time.
    if (outcome === null) return next(due)
    if (outcome.status !== 'ok') failed(each, outcome.failure.code)
    // Its plugin may have named other times meanwhile.
    const ended = [{ category, name, value: { ...state, last: due } }]
    await runs.update(byKernel(deps), name, async (now) => (isDeepStrictEqual(now, state) ? ended : []))
    return next(due)
  }
  const runs = deps.runs.hold<TaskState>({
    name: 'plugin tasks',
    category,
    // When that is takes a look at its cadence.
    dueAt: ({ last }, name) => (held.get(name)?.isKept === true ? last : null),
    goOn,
  })
  return {
    async take(plugins) {
      const now = plugins.flatMap(({ plugin, exports }) => exports.tasks.map((task) => ({ plugin: plugin.name, task, isKept: false })))
      const isSame = (a: HeldTask) => (b: HeldTask) => a.plugin === b.plugin && isDeepStrictEqual(a.task, b.task)
      for (const [name, each] of Array.from(held)) if (!now.some(isSame(each))) held.delete(name)
      for (const each of now) {
        const name = `${each.plugin}/${each.task.name}`
        if (held.has(name)) continue
        held.set(name, each)
        try {
          await keep(deps, name, each.task)
          each.isKept = true
        } catch (error) {
          failed(each, isOxbowError(error) ? error.code : 'internal_failure')
        }
      }
      await runs.load()
    },
  }
}

/** Keeps the state of a task; a new one, or one with another cadence, counts from now. @throws OxbowError `bad_input` */
async function keep(deps: PluginTaskDeps, name: string, { cron, every_s: everyS }: PluginTask): Promise<void> {
  const { documents, clock, minIntervalS } = deps
  const cadence: Cadence =
    cron === null
      ? { type: 'interval', every_s: Math.max(everyS ?? minIntervalS, minIntervalS) }
      : { type: 'cron', expression: cron, time_zone: '' }
  const kept = (await documents.get<TaskState>(category, name))?.value
  if (kept !== undefined && isDeepStrictEqual(kept.cadence, cadence)) return
  const now = clock.now()
  await checkCadence(cadence, now, minIntervalS)
  await documents.put(byKernel(deps), [{ category, name, value: { cadence, from: now, last: now } }])
}

function byKernel({ newId }: PluginTaskDeps) {
  return { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'plugin.task' } as const
}

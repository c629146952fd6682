/**
 * Tasks of plugins: each runs once for each time that it is due. The id of its call follows from plugin, task and due time, so a call that was
 * made before a crash is not made again: its outcome is in the journal, or stays unknown. Of times that passed while no guest ran, only the
 * newest counts.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Cadence, checkCadence, type Documents, dueBetween, nextDue, type Core } from '../../kernel/index.ts'
import {
  type CallId,
  type CallOutcome,
  type Clock,
  type DescribedPlugin,
  derivedId,
  isOxbowError,
  type PluginTask,
} from '../../types/index.ts'
import type { PluginWork } from './plugin-callers.ts'

const category = 'system/plugin-tasks'
/** A timer holds no longer time. */
const maxTimerMs = 2 ** 31 - 1

export interface PluginTaskDeps {
  readonly work: PluginWork
  readonly documents: Pick<Documents, 'get' | 'put'>
  readonly clock: Clock
  readonly minIntervalS: number
  readonly noteEvent: Core['noteEvent']
  readonly newId: () => string
}

export interface PluginTasks {
  /** Takes over the tasks of these plugins, and starts those that are due; it does not wait for them. */
  take(plugins: readonly DescribedPlugin[]): Promise<void>
  stop(): void
}

/** What is kept of a task. */
interface TaskState {
  readonly cadence: Cadence
  /** Where intervals are counted from. */
  readonly from: number
  /** The newest time for which it has run, or when it was added. */
  readonly last: number
}

/** A task that a plugin has now. */
interface HeldTask {
  readonly plugin: string
  readonly task: PluginTask
  state: TaskState
  timer?: NodeJS.Timeout
}

export function createPluginTasks(deps: PluginTaskDeps): PluginTasks {
  const held = new Map<string, HeldTask>()
  /** Runs under way: a task that comes again meanwhile waits for the same run. */
  const running = new Map<CallId, Promise<CallOutcome | null>>()
  const isHeld = (each: HeldTask): boolean => held.get(keyOf(each)) === each
  const drop = (each: HeldTask): void => {
    clearTimeout(each.timer)
    held.delete(keyOf(each))
  }
  const arm = async (each: HeldTask): Promise<void> => {
    const at = await nextDue(each.state.cadence, each.state.last, each.state.from)
    if (at === null || !isHeld(each)) return
    // A time far away is looked at again when the timer ends.
    each.timer = setTimeout(() => begin(each), Math.min(Math.max(0, at - deps.clock.now()), maxTimerMs)).unref()
  }
  const passOver = (each: HeldTask, due: number): Promise<void> => {
    each.state = { ...each.state, last: due }
    return arm(each)
  }
  const failed = ({ plugin, task }: HeldTask, code: string): void => deps.noteEvent('plugin_task_failed', { plugin, task: task.name, code })
  const begin = (each: HeldTask): void =>
    void runDue(each).catch((error: unknown) => failed(each, isOxbowError(error) ? error.code : 'internal_failure'))
  const runDue = async (each: HeldTask): Promise<void> => {
    const [due] = await dueBetween(each.state.cadence, each.state.last, deps.clock.now(), each.state.from, 1)
    if (!isHeld(each)) return
    if (due === undefined) return arm(each)
    const { plugin, task } = each
    const id = derivedId('plugin task', plugin, task.name, due) as CallId
    const run: Promise<CallOutcome | null> = running.get(id) ?? deps.work.call('', 'plugin.task', { plugin, task: task.name, due }, id)
    running.set(id, run)
    const outcome = await run.finally(() => running.delete(id))
    // It went, or the guest stops: the time is still due when it comes again, and the journal knows what became of this call.
    if (!isHeld(each)) return
    // No agent has the right to the plugin: one may have it at the next time.
    if (outcome === null) return passOver(each, due)
    if (outcome.status !== 'ok') failed(each, outcome.failure.code)
    each.state = { ...each.state, last: due }
    await save(deps, each)
    await arm(each)
  }
  return {
    async take(plugins) {
      const now = plugins.flatMap(({ plugin, exports }) => exports.tasks.map((task) => ({ plugin: plugin.name, task })))
      const isSame = (a: HeldTask) => (b: Pick<HeldTask, 'plugin' | 'task'>) => a.plugin === b.plugin && isDeepStrictEqual(a.task, b.task)
      for (const each of Array.from(held.values())) if (!now.some(isSame(each))) drop(each)
      for (const { plugin, task } of now) {
        if (held.has(keyOf({ plugin, task }))) continue
        const each: HeldTask = { plugin, task, state: newState(deps, task) }
        held.set(keyOf(each), each)
        try {
          each.state = await keptState(deps, each)
          begin(each)
        } catch (error) {
          failed(each, isOxbowError(error) ? error.code : 'internal_failure')
        }
      }
    },
    stop() {
      for (const each of Array.from(held.values())) drop(each)
    },
  }
}

const keyOf = ({ plugin, task }: Pick<HeldTask, 'plugin' | 'task'>): string => `${plugin}/${task.name}`

function newState({ clock, minIntervalS }: PluginTaskDeps, { cron, every_s }: PluginTask): TaskState {
  const now = clock.now()
  const cadence: Cadence =
    cron === null
      ? { type: 'interval', every_s: Math.max(every_s ?? minIntervalS, minIntervalS) }
      : { type: 'cron', expression: cron, time_zone: '' }
  return { cadence, from: now, last: now }
}

/** @returns what is kept of a task; a new one, or one with another cadence, counts from now @throws OxbowError `bad_input` */
async function keptState(deps: PluginTaskDeps, each: HeldTask): Promise<TaskState> {
  const { cadence, from } = each.state
  const kept = (await deps.documents.get<TaskState>(category, keyOf(each)))?.value
  if (kept !== undefined && isDeepStrictEqual(kept.cadence, cadence)) return kept
  await checkCadence(cadence, from, deps.minIntervalS)
  await save(deps, each)
  return each.state
}

function save({ documents, newId }: PluginTaskDeps, each: HeldTask): Promise<void> {
  const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'plugin.task' } as const
  return documents.put(of, [{ category, name: keyOf(each), value: each.state }])
}

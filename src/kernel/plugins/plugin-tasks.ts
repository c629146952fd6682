/**
 * Tasks of plugins: each runs once for each time that it is due. The id of its call follows from plugin, task and due time, so a call that was
 * made before a crash is not made again: its outcome is in the journal, or stays unknown. Of times that passed while no guest ran, only the
 * newest counts.
 */
import { type CallId, type Clock, type DescribedPlugin, derivedId, isOxbowError, type PluginTask } from '../../types/index.ts'
import type { NoteEvent } from '../observe/event-bus.ts'
import { type Cadence, checkCadence, dueBetween, nextDue } from '../schedules/cadence.ts'
import type { Documents } from '../state/documents.ts'
import type { PluginWork } from './plugin-callers.ts'

const category = 'system/plugin-tasks'
/** A timer holds no longer time. */
const maxTimerMs = 2 ** 31 - 1

export interface PluginTaskDeps {
  readonly work: PluginWork
  readonly documents: Pick<Documents, 'get' | 'put'>
  readonly clock: Clock
  readonly minIntervalS: number
  readonly noteEvent: NoteEvent
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

export function createPluginTasks(deps: PluginTaskDeps): PluginTasks {
  const timers = new Map<string, NodeJS.Timeout>()
  let round = 0
  const arm = async (plugin: string, task: string, state: TaskState): Promise<void> => {
    const mine = round
    const at = await nextDue(state.cadence, state.last, state.from)
    if (at === null || mine !== round) return
    const fire = (): void => void runDue(plugin, task, state, mine).catch((error: unknown) => failed(plugin, task, error))
    // A time far away is looked at again when the timer ends.
    timers.set(`${plugin}/${task}`, setTimeout(fire, Math.min(Math.max(0, at - deps.clock.now()), maxTimerMs)).unref())
  }
  const failed = (plugin: string, task: string, error: unknown): void =>
    deps.noteEvent('plugin_task_failed', { plugin, task, code: isOxbowError(error) ? error.code : 'internal_failure' })
  const runDue = async (plugin: string, task: string, state: TaskState, mine: number): Promise<void> => {
    if (mine !== round) return
    const [due] = await dueBetween(state.cadence, state.last, deps.clock.now(), state.from, 1)
    if (due === undefined) return arm(plugin, task, state)
    const id = derivedId('plugin task', plugin, task, due) as CallId
    const outcome = await deps.work.call('', 'plugin.task', { plugin, task, due }, id)
    // The guest stops: at its next start, the time is still due, and the journal knows what became of this call.
    if (mine !== round) return
    if (outcome.status !== 'ok') deps.noteEvent('plugin_task_failed', { plugin, task, code: outcome.failure.code })
    const next = { ...state, last: due }
    await save(deps, plugin, task, next)
    await arm(plugin, task, next)
  }
  const stop = (): void => {
    round++
    for (const timer of timers.values()) clearTimeout(timer)
    timers.clear()
  }
  return {
    async take(plugins) {
      stop()
      for (const described of plugins) {
        if (!deps.work.mayUse(described)) continue
        const { name } = described.plugin
        for (const task of described.exports.tasks)
          try {
            const state = await stateOf(deps, name, task)
            void runDue(name, task.name, state, round).catch((error: unknown) => failed(name, task.name, error))
          } catch (error) {
            failed(name, task.name, error)
          }
      }
    },
    stop,
  }
}

/** @returns what is kept of a task; a new one, or one with another cadence, counts from now @throws OxbowError `bad_input` */
async function stateOf(deps: PluginTaskDeps, plugin: string, task: PluginTask): Promise<TaskState> {
  const now = deps.clock.now()
  const cadence: Cadence =
    task.cron === null
      ? { type: 'interval', every_s: Math.max(task.every_s ?? deps.minIntervalS, deps.minIntervalS) }
      : { type: 'cron', expression: task.cron, time_zone: '' }
  const kept = (await deps.documents.get<TaskState>(category, `${plugin}/${task.name}`))?.value
  if (kept !== undefined && JSON.stringify(kept.cadence) === JSON.stringify(cadence)) return kept
  await checkCadence(cadence, now, deps.minIntervalS)
  const state = { cadence, from: now, last: now }
  await save(deps, plugin, task.name, state)
  return state
}

function save({ documents, newId }: PluginTaskDeps, plugin: string, task: string, value: TaskState): Promise<void> {
  const of = { caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'plugin.task' } as const
  return documents.put(of, [{ category, name: `${plugin}/${task}`, value }])
}

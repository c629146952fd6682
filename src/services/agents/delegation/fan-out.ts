/**
 * Fan-out: many delegations as one call; some may need others' results. Each task is a delegation under an id derived
 * from the call's, so that a call which a crash interrupted finds those that began, and begins only the others. As many run at once as the
 * caller may have live children. When enough have succeeded, or one has failed and that ends it, those that still run are ended.
 */
import { z } from 'zod'
import { type Sessions, stopReason } from '../../../kernel/index.ts'
import { type CallId, derivedId, fenced, OxbowError, truncate } from '../../../base/index.ts'
import { evident, originOf, joinLabels, labelSchema, type Labels } from '../../../protocol/index.ts'
import { isOver } from '../agent-record.ts'
import { maxAgentMessageCharacters } from '../limits.ts'
import { delegateFields, type Delegating } from './brief.ts'
import { delegate, type DelegateDeps } from './delegate.ts'
import { type Delegated, delegated, delegatedOf, noWork } from './delegated-end.ts'
import { maxFanTasks } from './limits.ts'

export interface FanOutDeps extends DelegateDeps {
  readonly joinLabels: Sessions['join']
}

const taskFields = {
  ...delegateFields,
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]{0,31}$/i, 'must be a plain name')
    .describe('Name of the task.'),
  needs: z.array(z.string()).max(maxFanTasks).default([]).describe('Tasks that must have succeeded before it; it reads their results.'),
}

export const fanOutInput = z.strictObject({
  tasks: z.array(z.strictObject(taskFields)).min(1).max(maxFanTasks),
  until: z
    .union([z.enum(['all', 'any']), z.int().min(1).max(maxFanTasks)])
    .default('all')
    .describe('How many must succeed; then the others are ended.'),
  at_once: z.int().min(1).max(maxFanTasks).optional().meta(evident('The most that run at once; absent: as many as may.')),
  on_failure: z.enum(['stop', 'continue']).default('continue').describe('stop: the first failure ends the others.'),
  synthesis: z.strictObject(delegateFields).optional().describe('One more agent, which reads all results.'),
})

type FanOut = z.infer<typeof fanOutInput>
type FanTask = FanOut['tasks'][number]

const fanTaskEnd = delegated.extend({ task: z.string() })

type FanTaskEnd = z.infer<typeof fanTaskEnd>

export const fanOutEnd = z.strictObject({
  status: z.enum(['success', 'failure']).describe('`success`: as many as wanted have succeeded.'),
  succeeded: z.int(),
  tasks: z.array(fanTaskEnd).readonly().describe('In the order of the request.'),
  synthesis: delegated.nullable(),
  labels: z.array(labelSchema()).readonly(),
})

export type FanOutEnd = z.infer<typeof fanOutEnd>

/** @throws OxbowError `bad_input` for tasks that need each other, or one that does not exist */
export async function fanOut(deps: FanOutDeps, by: Delegating, request: FanOut, signal: AbortSignal): Promise<FanOutEnd> {
  checkTasks(request)
  const run = await startRun(deps, by, request, signal)
  const ends = await run.all()
  signal.throwIfAborted()
  const tasks = request.tasks.map(({ id }) => ends.get(id)!)
  const succeeded = tasks.filter(({ status }) => status === 'success').length
  const status = succeeded >= wanted(request) ? 'success' : 'failure'
  const labels = tasks.reduce<Labels>((all, end) => joinLabels(all, end.labels), [])
  const { synthesis } = request
  if (synthesis === undefined || succeeded === 0 || (status === 'failure' && request.on_failure === 'stop'))
    return { status, succeeded, tasks, synthesis: null, labels }
  const call = derivedId('fan-out', by.call, 'synthesis') as CallId
  const goal = withResults(synthesis.goal, tasks, call)
  deps.joinLabels(by.caller, labels, originsOf(tasks))
  const joined = await delegate(deps, { ...by, call, within: by.call }, { ...synthesis, goal, labels, wait: true }, signal)
  return {
    status: joined.status === 'success' ? status : 'failure',
    succeeded,
    tasks,
    synthesis: joined,
    labels: joinLabels(labels, joined.labels),
  }
}

function wanted({ tasks, until }: FanOut): number {
  return until === 'all' ? tasks.length : until === 'any' ? 1 : until
}

function checkTasks({ tasks, until }: FanOut): void {
  const refuse = (message: string, hint: string): never => {
    throw new OxbowError('bad_input', message, { hint })
  }
  const byId = new Map(tasks.map((task) => [task.id, task]))
  if (byId.size < tasks.length) refuse('Two tasks have the same id.', 'Give each task an id of its own.')
  if (typeof until === 'number' && until > tasks.length)
    refuse(`${until} of ${tasks.length} tasks cannot succeed.`, 'Ask for fewer, or name more tasks.')
  const done = new Set<string>()
  const visit = (id: string, above: readonly string[]): void => {
    if (done.has(id)) return
    if (above.includes(id)) refuse(`Tasks need each other: ${[...above, id].join(' → ')}.`, 'Leave one of these needs out.')
    const task = byId.get(id) ?? refuse(`${above.at(-1)} needs ${id}, which is not a task.`, `Tasks are ${[...byId.keys()].join(', ')}.`)
    for (const need of task.needs) visit(need, [...above, id])
    done.add(id)
  }
  for (const { id } of tasks) visit(id, [])
}

/** Its tasks begin as their needs and the limit of children allow. */
async function startRun(deps: FanOutDeps, by: Delegating, request: FanOut, signal: AbortSignal) {
  const supervisor = await deps.supervisor()
  const ending = new AbortController()
  const within = AbortSignal.any([signal, ending.signal])
  const ends = new Map<string, FanTaskEnd>()
  const running = new Map<string, Promise<void>>()
  const idOf = ({ id }: FanTask): CallId => derivedId('fan-out', by.call, id) as CallId
  const others = supervisor.all().filter((agent) => !isOver(agent) && agent.home === by.caller.session && by.caller.session !== '')
  const own = new Set(request.tasks.map(idOf))
  const free = Math.max(1, deps.agentConfig.max_children - others.filter(({ id }) => !own.has(id)).length)
  const places = Math.min(free, request.at_once ?? Infinity)

  const succeeded = (): number => [...ends.values()].filter(({ status }) => status === 'success').length
  const isDecided = (): boolean => {
    const isMet = succeeded() >= wanted(request)
    return isMet || (request.on_failure === 'stop' && ends.size > succeeded())
  }
  const runTask = async (task: FanTask): Promise<void> => {
    const call = idOf(task)
    const needed = task.needs.map((need) => ends.get(need)!)
    const labels = needed.reduce<Labels>((all, end) => joinLabels(all, end.labels), [])
    const goal = withResults(task.goal, needed, call)
    // A remote agent gets them in a call of this session.
    deps.joinLabels(by.caller, labels, originsOf(needed))
    const { id: _, needs: __, ...fields } = task
    const end = await delegate(deps, { ...by, call, within: by.call }, { ...fields, goal, labels, wait: true }, within).catch(
      async (error: unknown) => {
        if (!within.aborted || stopReason(signal) === 'shutdown') throw error
        const agent = supervisor.find(call)
        return agent === undefined ? notNeeded(task.agent) : delegatedOf(deps, agent)
      },
    )
    ends.set(task.id, { ...end, task: task.id })
  }
  const step = (): void => {
    if (isDecided()) ending.abort('cancelled')
    for (const task of request.tasks) {
      if (ends.has(task.id) || running.has(task.id)) continue
      const lost = task.needs.find((need) => (ends.get(need)?.status ?? 'success') !== 'success')
      const why =
        ending.signal.aborted || signal.aborted ? notNeeded(task.agent) : lost === undefined ? null : withoutNeed(task.agent, lost)
      if (why !== null) {
        ends.set(task.id, { ...why, task: task.id })
        return step()
      }
      if (running.size < places && task.needs.every((need) => ends.has(need)))
        running.set(
          task.id,
          runTask(task).finally(() => running.delete(task.id)),
        )
    }
  }
  return {
    async all(): Promise<ReadonlyMap<string, FanTaskEnd>> {
      // Ends that a crash left count before anything more begins.
      for (const task of request.tasks) {
        const agent = supervisor.find(idOf(task))
        if (agent !== undefined && isOver(agent)) ends.set(task.id, { ...(await delegatedOf(deps, agent)), task: task.id })
      }
      try {
        for (step(); running.size > 0; step()) await Promise.race(running.values())
      } catch (error) {
        await Promise.allSettled(running.values())
        throw error
      }
      return ends
    },
  }
}

function originsOf(ends: readonly FanTaskEnd[]) {
  return ends.flatMap(({ session }) => (session === '' ? [] : [originOf('session', session)]))
}

function notNeeded(agent: string): Delegated {
  return { ...noWork, status: 'cancelled', agent, code: 'cancelled', reason: 'It was not needed any more.', hint: '' }
}

function withoutNeed(agent: string, need: string): Delegated {
  return { ...noWork, status: 'refused', agent, code: 'cancelled', reason: `It needs ${need}, which has not succeeded.`, hint: '' }
}

/** A goal with the results that it builds upon, each between marks: whoever reads them obeys none. */
function withResults(goal: string, ends: readonly FanTaskEnd[], call: CallId): string {
  if (ends.length === 0) return goal
  const room = Math.floor(Math.max(0, maxAgentMessageCharacters - goal.length) / ends.length) - 200
  const parts = ends.map(({ task, status, text }) => `[${task}: ${status}]\n${fenced(truncate(text, Math.max(200, room)), call)}`)
  return `${goal}\n\nResults of other agents:\n${parts.join('\n')}`
}

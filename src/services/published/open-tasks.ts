/**
 * Tasks that have not ended. Each is a run: on record with its message before its sender hears of it, it waits for its place in the queue,
 * is one turn, and ends with that. A program that has sent as many as it may is refused the next one after a restart, too.
 */
import type { Core, DocumentChange } from '../../kernel/index.ts'
import type { HeldRuns, RunsPort } from '../../runs/index.ts'
import { type CallId, isOxbowError, OxbowError, ownValue, type SessionId, type TurnId, type JsonObject } from '../../base/index.ts'
import { type Caller, grantOf, type KeptFile, turnRights } from '../../protocol/index.ts'
import type { Access } from '../access/service.ts'
import { openContext } from './task-contexts.ts'

const category = 'system/open_tasks'
/** Open tasks of one program: each may run a model for an hour. */
const maxOpenTasks = 16

interface OpenTask {
  readonly task: TurnId
  readonly owner: string
  /** Unix milliseconds. */
  readonly since: number
  /** What its turn begins with. Absent in records of older versions, which began the turn at once. */
  readonly message?: {
    readonly agent: string
    readonly session: SessionId
    readonly text: string
    readonly attachments: readonly KeptFile[]
  }
  readonly cancelled?: true
}

export interface OpenTasks {
  /** Takes in a task, which begins when there is a place. @param more recorded with it @throws OxbowError `limit_reached` */
  enter(call: CallId, task: OpenTask, more: DocumentChange, ended: AbortSignal | undefined): Promise<void>
  /** Durable. @returns whether it was open */
  cancel(task: TurnId, context: SessionId): Promise<boolean>
  /** Goes on with those that a crash or a stop left. */
  load(): Promise<void>
}

interface TaskDeps extends Core {
  readonly runs: RunsPort
  readonly access: Pick<Access, 'judges'>
}

export function openOpenTasks(deps: TaskDeps): OpenTasks {
  const { runs, lanes, newId } = deps
  /** How many each program is sending now. */
  const entering = new Map<string, number>()
  /** When the rights of their senders end, as far as this guest has seen them. */
  const rightsOf = new Map<TurnId, AbortSignal>()
  const changes = (task: TurnId, value: OpenTask | null): readonly DocumentChange[] => [{ category, name: task, value }]
  const of = (name: string) => ({ caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name }) as const
  const held: HeldRuns<OpenTask> = runs.hold<OpenTask>({
    name: 'tasks',
    category,
    dueAt: ({ since }) => since,
    async goOn({ state, signal }) {
      const { task } = state
      await workOff(deps, state, signal, rightsOf.get(task))
      await held.update(of('task.end'), task, async (now) => (now === null ? [] : changes(task, null)))
      rightsOf.delete(task)
    },
  })
  return {
    load: held.load,
    async enter(call, state, more, ended) {
      const { task, owner, message } = state
      const coming = entering.get(owner) ?? 0
      if (held.open().filter((each) => each.owner === owner).length + coming >= maxOpenTasks)
        throw new OxbowError('limit_reached', `There are ${maxOpenTasks} open tasks of ${owner}.`, {
          hint: 'Wait until some have ended, or cancel them.',
        })
      entering.set(owner, coming + 1)
      if (ended !== undefined) rightsOf.set(task, ended)
      try {
        // In its session, with which it is forgotten.
        await held.begin({ caller: { actor: owner, session: message!.session, turn: '' }, call, name: 'task.send' }, task, state, [more])
      } finally {
        entering.set(owner, entering.get(owner)! - 1)
      }
    },
    async cancel(task, context) {
      let isOpen = false
      await held.update(of('task.cancel'), task, async (now) => {
        isOpen = now !== null
        return now === null ? [] : changes(task, { ...now, cancelled: true })
      })
      lanes.cancel(context, true)
      void held.cancel(task)
      return isOpen
    },
  }
}

/** Takes a task through the queue and its turn to its end. @throws the reason of the signal, unless the task was cancelled */
async function workOff(deps: TaskDeps, state: OpenTask, signal: AbortSignal, rights: AbortSignal | undefined): Promise<void> {
  const { runs, lanes, config } = deps
  const { task, since, message } = state
  const isCancelled = (): boolean => state.cancelled === true || signal.reason === 'cancelled'
  const unlessCancelled = (reason: unknown): void => {
    if (!isCancelled()) throw reason
  }
  const session = message?.session ?? ''
  /** Before a restart it may have been cancelled and not have ended. */
  const cancelledEnd = (): Promise<JsonObject> => {
    if (session !== '') lanes.cancel(session, true)
    return runs.turns.ended(task)
  }
  await runs.turns.toEnd({
    turn: task,
    session,
    kind: { name: 'task', most: config.a2a.max_running },
    since,
    signal,
    async begin(enter, isRecovered) {
      if (!isRecovered) {
        if (message === undefined) return noTurn
        // A running turn takes the message, which then needs no place.
        if (!isCancelled() && !lanes.isRunning(message.session)) await enter(signal).catch(unlessCancelled)
        if (!(await begin(deps, state, message, isCancelled, rights))) return noTurn
      }
      if (isCancelled()) return cancelledEnd()
      return runs.turns.ended(task, signal).catch((reason: unknown) => {
        unlessCancelled(reason)
        return cancelledEnd()
      })
    },
  })
}

const noTurn: JsonObject = {}

/** Starts its turn, which may have been started before; one that must not run any more ends as it begins. @returns false: it has none */
async function begin(
  deps: TaskDeps,
  { task, owner }: OpenTask,
  { agent, session, text, attachments }: NonNullable<OpenTask['message']>,
  isCancelled: () => boolean,
  rights: AbortSignal | undefined,
): Promise<boolean> {
  const { user, config, journal, startTurn, outcomeOf, newId } = deps
  const as: Caller = { user, actor: owner, rights: turnRights, audience: 'terminal', session, turn: '', process: '' }
  try {
    const published = ownValue(config.a2a.agents, agent)
    if (published !== undefined) await openContext(deps, { session, agent, published, isNew: true, caller: as, call: newId() as CallId })
    const mayRun = published !== undefined && (await maySend(deps.access, owner))
    const ended = mayRun && !isCancelled() ? rights : AbortSignal.abort('cancelled')
    const files = attachments.map(({ name, media_type, pieces }) => ({ name, media_type, pieces: [...pieces] }))
    const sender = ended === undefined ? as : { ...as, ended }
    await startTurn({ session, clientId: task as string as CallId, text, as: sender, attachments: files })
    return true
  } catch (error) {
    await journal.flushed()
    // What the gate has refused has ended with that.
    if ((await outcomeOf(task)) !== null) return true
    // Its session was deleted.
    if (isOxbowError(error, 'not_found')) return false
    throw error
  }
}

/** A key may have been revoked, or got other rights, since it has sent the task. */
async function maySend({ judges }: TaskDeps['access'], owner: string): Promise<boolean> {
  if (!owner.startsWith('key:')) return true
  const entries = await judges.rightsOfKey(owner.slice('key:'.length))
  if (entries === null) return false
  const { rights, limits } = grantOf(entries)
  return (rights.has('*') || rights.has('task.send')) && limits?.denied.has('task.send') !== true
}

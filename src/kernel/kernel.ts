/** The kernel: how it answers the gateway, and how it resumes what a crash interrupted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallId, once, type SessionId, type TurnId, type UserId } from '../base/index.ts'
import {
  type Call,
  type CallOutcome,
  cancelCall,
  grantOf,
  type GuestStatus,
  modelLabel,
  type Notice,
  type RecordView,
  type SessionInfo,
  turnCall,
} from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { optionsOf } from './stages/running-calls.ts'
import type { Kernel } from './kernel-interface.ts'
import { type KernelOptions, assembleParts, type KernelParts } from './kernel-parts.ts'
import { describeSession, sessionsOf } from './records/sessions.ts'
import { userCaller } from './policy/policy.ts'
import { reconcile } from './turns/recovery.ts'
import { describedServiceCalls } from './hold-services.ts'
import type { Service } from './service.ts'
import { refusedAs } from './turns/start-turn.ts'
import type { TurnCallDeps } from './turns/turn-calls.ts'

/**
 * The kernel accepts requests at once; those that need the store wait until it is open and the interrupted turns are resuming. If the
 * store cannot be opened or written, the kernel only reads.
 */
export function createKernel(options: KernelOptions): Kernel {
  const parts = assembleParts(options, () => resumed)
  const resumed = resume(parts, options)
  return facade(parts, options, resumed)
}

/** Resumes every open message, oldest first. Never rejects: if the store fails, the kernel only reads. */
async function resume(
  { journal, sessions, budgets, recovered, gate, handoffs, services }: KernelParts,
  { store, user, crashedBefore }: KernelOptions,
): Promise<void> {
  try {
    await handoffs.load()
    const turns = await reconcile(store, journal, crashedBefore, services.runs)
    // All of them are known before the first goes on: services ask which turns do.
    for (const turn of turns) recovered.set(turn.id, turn)
    for (const turn of turns) {
      await sessions.load(turn.session)
      const caller = userCaller(user, turn.session, turn.into ?? (turn.id as string as TurnId))
      const { intended, outcome } = gate.start(caller, turnCall, turn.input, { id: turn.id, signal: null, resumed: true })
      void outcome.catch(() => {}).finally(() => recovered.delete(turn.id))
      // Awaited one by one, so that they enter their lanes in order.
      await intended
    }
    await budgets.load({ session: '', actor: '' })
    await services.recover()
  } catch (error) {
    journal.fail(error)
  }
}

function facade(parts: KernelParts, options: KernelOptions, resumed: Promise<void>): Kernel {
  const { user, store } = options
  const { newId, approvals, events, sessions, journal, lanes, gate, startTurn } = parts
  const grant = grantOf(options.config.access.role)
  const ask = (name: string, input: unknown, session: SessionId | '' = '', id?: CallId): Promise<CallOutcome> =>
    resumed.then(() => gate.call({ ...userCaller(user, session, ''), ...grant }, name, input, optionsOf(id, newId)))

  parts.services.begin()
  const keyKernels = once(() => parts.services.keyed(kernel))
  const kernel: Kernel = {
    async withKey(key) {
      await resumed
      return (await keyKernels())(key)
    },
    check: async () => true,
    status: () => statusOf(parts, options),
    createSession: (title, clientId = newId() as CallId) => resumed.then(() => createSession(parts, user, clientId, title)),
    async listSessions(limit) {
      await resumed
      // So that the list contains a session that was just created.
      await journal.flushed()
      const rows = await sessionsOf(store, { limit, archived: false, search: '' })
      return rows.map((row) => describeSession(row, lanes.isBusy(row.id), parts.handoffs.answering(row.id)))
    },
    async sendTurn(send) {
      await resumed
      return startTurn(send)
    },
    cancelTurn: async (session) => (expectOk(await ask(cancelCall, { session }, session)) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) =>
      (expectOk(await ask('call.decide', { call, allow }, approvals.find(call)?.session ?? '')) as { next: string }).next,
    call: ask as Kernel['call'],
    async follow(session, cursor, listener, past) {
      await resumed
      await sessions.load(session)
      return events.follow(session, cursor, listener, past)
    },
    onNotice: createNotices(events.watchers),
    async settle() {
      parts.runningTurns.held = new Promise(() => {})
      while (parts.running.all().some(({ turn, waitsFor }) => turn !== '' && waitsFor === undefined)) await sleep(settleMs)
    },
    async close() {
      await resumed
      await closeParts(parts, options)
    },
  }
  return kernel
}

/** How often a kernel that is to end looks whether calls still run. */
const settleMs = 20

/** One watcher of the journal for all who listen; what it needs is loaded with the first. */
function createNotices(watchers: KernelParts['events']['watchers']): Kernel['onNotice'] {
  const listeners = new Set<(notice: Notice) => void>()
  let noticeOf: (record: RecordView) => Notice | null = () => null
  const load = once(async () => ({ noticeOf } = await import('./records/event-kinds.ts')))
  const watch = (record: RecordView): void => {
    const notice = record.name.startsWith('event.') ? noticeOf(record) : null
    if (notice !== null) for (const listener of listeners) listener(notice)
  }
  return (listener) => {
    void load()
    listeners.add(listener)
    watchers.add(watch)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) watchers.delete(watch)
    }
  }
}

function statusOf({ journal, memory, services }: KernelParts, options: KernelOptions): GuestStatus {
  const { user, version, config, storeName = 'file', storeWarning = () => '', engine, sandbox, isolated = false } = options
  const facts = engine.model
  return {
    user,
    version,
    model: modelLabel(facts),
    context_tokens: facts.contextTokens,
    fallback: config.model.fallback,
    recording: config.model.recording,
    notice: facts.provider === 'offline' ? offlineNotice : '',
    sandbox: sandbox.status,
    isolated,
    store: storeName,
    ...(storeWarning() !== '' && { store_warning: storeWarning() }),
    embedder: config.memory.embedder,
    ...(memory !== undefined && { recalls: memory.recalls() }),
    ...(services.problems().length > 0 && { services: services.problems() }),
    read_only: journal.fault(),
  }
}

async function closeParts(parts: KernelParts, { store, engine, sandbox }: KernelOptions): Promise<void> {
  const { services, lanes, background, conversations, memory, journal, running, schemas } = parts
  // First of all: they are not to begin anything more.
  await Promise.all([services.close(), lanes.stop()])
  // A turn is not over before its version is; the commits of the turns that have ended are background calls.
  await services.keeper.settle()
  await background.followed()
  running.stop()
  await background.close()
  conversations.close()
  // What calls have changed until they were stopped.
  await services.keeper.settle()
  await services.keeper.close()
  await memory?.close()
  await Promise.all([services.release(), schemas.close()])
  await journal.flushed()
  await Promise.all([sandbox.close(), engine.close()])
  await store.close()
}

/** The call's id becomes the session's id, so that a repeated request returns the same session. */
async function createSession({ gate, sessions, lanes }: KernelParts, user: UserId, call: CallId, title?: string): Promise<SessionInfo> {
  const input = title === undefined ? {} : { title }
  const { intended, outcome } = gate.start(userCaller(user, '', ''), 'session.create', input, { id: call, signal: null })
  const isFirst = (await intended)?.duplicate !== true
  // Whoever was first may still be creating it.
  const ended = await outcome
  if (isFirst) expectOk(ended)
  const id = call as string as SessionId
  return describeSession(await sessions.load(id), lanes.isBusy(id))
}

const offlineNotice =
  'No model is set up: this is the offline command interpreter, which understands plain requests about files and commands. Type `help`.'

function expectOk(outcome: CallOutcome): unknown {
  if (outcome.status !== 'ok') throw refusedAs(outcome)
  return outcome.output
}

/** @returns the kernel's calls for the reference, to describe only; needs just the configuration. @throws if a service cannot describe its calls */
export async function describedKernelCalls(config: Config, services: readonly Service[]): Promise<readonly Call[]> {
  const { kernelCalls } = await import('./turns/turn-calls.ts')
  const { calls, problems } = await describedServiceCalls(services, config)
  const broken = problems.map(({ name, problem }) => `${name}: ${problem}`)
  if (broken.length > 0) throw new Error(`these services cannot describe their calls: ${broken.join('; ')}`)
  return [...kernelCalls({} as TurnCallDeps), ...calls]
}

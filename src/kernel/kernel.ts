/** The kernel's facade over its parts, and how they take up what a crash cut off. */
import type { Store } from '../store/index.ts'
import {
  type Call,
  type CallId,
  type CallOutcome,
  type Config,
  type GuestStatus,
  type Json,
  modelLabel,
  OxbowError,
  type SentFile,
  type SessionId,
  type SessionInfo,
  toError,
  type TurnId,
  type UserId,
} from '../types/index.ts'
import type { KernelCallDeps } from './calls/kernel-calls.ts'
import type { KernelEvent } from './events.ts'
import { assembleParts, type KernelOptions, type KernelParts } from './kernel-parts.ts'
import { describeSession, sessionsOf } from './sessions.ts'
import { userCaller } from './stages/policy.ts'
import { queueFull } from './turns/lanes.ts'
import { reconcile } from './turns/recovery.ts'

export interface SendTurn {
  readonly session: SessionId
  /** Made by the terminal, once for each message; it becomes the id of the `turn.send` call. */
  readonly clientId: CallId
  readonly text: string
  readonly model?: string | undefined
  readonly attachments?: readonly SentFile[] | undefined
}

export interface Kernel {
  status(): GuestStatus
  /** @param clientId made by the terminal; becomes the id of the session, and asking again with it gives the same one */
  createSession(title?: string, clientId?: CallId): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. @throws OxbowError `not_found`, `limit_reached`, `store_full` … */
  sendTurn(send: SendTurn): Promise<{ readonly turn: TurnId; readonly cursor: number; readonly duplicate: boolean }>
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  /** Decides a parked call. @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<void>
  /** Makes a call that is offered to terminals, as the user, through the gate. */
  call(name: string, input: Json, session?: SessionId): Promise<CallOutcome>
  /**
   * @param leaving ends it while the past is told, and has no part in it afterwards
   * @returns a function that stops the following
   * @throws OxbowError `not_found` for an unknown session, or the reason of `leaving`
   */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void, leaving?: AbortSignal): Promise<() => void>
  /** Stops turns where they stand (they continue at the next start) and flushes. */
  close(): Promise<void>
}

/**
 * The kernel can be asked at once: what needs the store waits until it is open and the turns that were cut off are on their way
 * again. A store that cannot be opened or written leaves a kernel that only reads.
 */
export function createKernel(options: KernelOptions): Kernel {
  const parts = assembleParts(options)
  return facade(parts, options, resume(parts, options))
}

/** Sends every open message on its way again, oldest first. Never rejects: a store that fails here leaves a kernel that only reads. */
async function resume({ journal, sessions, recovered, gate }: KernelParts, { store, user }: KernelOptions): Promise<void> {
  try {
    for (const turn of await reconcile(store, journal)) {
      recovered.set(turn.id, turn)
      await sessions.load(turn.session)
      const caller = userCaller(user, turn.session, turn.into ?? (turn.id as string as TurnId))
      const { intended, outcome } = gate.start(caller, 'turn.send', turn.input, { id: turn.id, signal: null, resumed: true })
      void outcome.catch(() => {}).finally(() => recovered.delete(turn.id))
      // In their lane they stand in the order in which they came.
      await intended
    }
  } catch (error) {
    journal.fail(error)
  }
}

function facade(parts: KernelParts, options: KernelOptions, resumed: Promise<void>): Kernel {
  const { user, version, config, store, storeName = 'file', storeWarning = () => '', engine, sandbox } = options
  const { newId, approvals, events, sessions, journal, lanes, gate, blobs, background, memory } = parts
  const facts = engine.model
  const ask = (name: string, input: unknown, session: SessionId | '' = ''): Promise<CallOutcome> =>
    resumed.then(() => gate.call(userCaller(user, session, ''), name, input, { id: newId() as CallId, signal: null }))

  return {
    status: () => ({
      user,
      version,
      model: modelLabel(facts),
      fallback: config.model.fallback,
      recording: config.model.recording,
      notice: facts.provider === 'offline' ? offlineNotice : '',
      sandbox: sandbox.status,
      store: storeName,
      ...(storeWarning() !== '' && { store_warning: storeWarning() }),
      embedder: config.memory.embedder,
      read_only: journal.fault(),
    }),
    createSession: (title, clientId = newId() as CallId) => resumed.then(() => createSession(parts, user, clientId, title)),
    async listSessions(limit) {
      await resumed
      // Whoever made a session just now finds it in the list.
      await journal.flushed()
      return (await sessionsOf(store, { limit, archived: false, search: '' })).map((row) => describeSession(row, lanes.isBusy(row.id)))
    },
    async sendTurn({ session, clientId, text, model, attachments = [] }) {
      await resumed
      // Room is taken before the message is journaled: a burst must not pass the limit side by side.
      if (!lanes.admit(session)) throw queueFull(session)
      try {
        await sessions.load(session)
        const files = attachments.length === 0 ? null : await (await import('./attachments.ts')).takeIn(attachments, blobs)
        const turn = clientId as string as TurnId
        const input = { text, ...(model !== undefined && { model }), ...(files !== null && { attachments: files }) }
        const { intended, outcome } = gate.start(userCaller(user, session, turn), 'turn.send', input, { id: clientId, signal: null })
        // The outcome is for followers; here only the acknowledgement matters.
        outcome.catch(() => {})
        const accepted = await intended
        if (accepted === null) throw refused(await outcome)
        if (accepted.duplicate) await assertSameMessage(store, session, clientId)
        return { turn, cursor: accepted.firstSeq, duplicate: accepted.duplicate }
      } finally {
        lanes.admitted(session)
      }
    },
    cancelTurn: async (session) => (expectOk(await ask('turn.cancel', { session }, session)) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) => void expectOk(await ask('call.decide', { call, allow }, approvals.find(call)?.session ?? '')),
    call: ask,
    async follow(session, cursor, listener, leaving) {
      await resumed
      await sessions.load(session)
      return events.follow(session, cursor, listener, leaving)
    },
    async close() {
      await resumed
      await lanes.stop()
      await background.close()
      await memory?.close()
      await journal.flushed()
      await Promise.all([sandbox.close(), engine.close()])
      await store.close()
    },
  }
}

/** Its call has the id of the session: asked for again, it is the same session. */
async function createSession({ gate, sessions, lanes }: KernelParts, user: UserId, call: CallId, title?: string): Promise<SessionInfo> {
  const input = title === undefined ? {} : { title }
  const { intended, outcome } = gate.start(userCaller(user, '', ''), 'session.create', input, { id: call, signal: null })
  if ((await intended)?.duplicate !== true) expectOk(await outcome)
  const id = call as string as SessionId
  return describeSession(await sessions.load(id), lanes.isBusy(id))
}

const offlineNotice =
  'No model is set up: this is the offline command interpreter, which understands plain requests about files and commands. Type `help`.'

/** What is taken for a repetition is told so, and goes nowhere: another message must not be lost as one. */
async function assertSameMessage(store: Store, session: SessionId, id: CallId): Promise<void> {
  const [sent] = await store.records({ call: id, order: 'oldest_first', limit: 1, hydrate: false })
  if (sent?.name === 'turn.send' && sent.session === session) return
  throw new OxbowError('bad_input', `The client_id ${id} is not that of a message in session ${session}, and was used before.`, {
    hint: 'Make a new id for each message; send it again only with the same message.',
  })
}

function expectOk(outcome: CallOutcome): unknown {
  if (outcome.status !== 'ok') throw refused(outcome)
  return outcome.output
}

function refused(outcome: CallOutcome): OxbowError {
  if (outcome.status === 'ok') throw new Error('not a refusal')
  return toError(outcome.failure)
}

/** @returns the kernel's calls for the reference, where none of them can run: a description needs only the configuration */
export async function describedKernelCalls({ model }: Config): Promise<readonly Call[]> {
  const { kernelCalls } = await import('./calls/kernel-calls.ts')
  return kernelCalls({ config: model } as KernelCallDeps)
}

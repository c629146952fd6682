/**
 * A session of an embedded guest: one message after the other, each a run that is awaited or listened to. A session is followed from its first
 * message to its end, so that what its agents ask in between is decided, too.
 */
import { createIdMaker, type Failure, OxbowError, systemClock, systemRandom, toError } from '../base/index.ts'
import type { CallId, SessionId, TurnId } from '../base/index.ts'
import { type Client, type FollowEvent, watchTurn } from '../client/index.ts'
import type { CallView, PendingApproval, TurnView } from '../protocol/index.ts'

export interface RunOptions {
  /** `provider/model`; default: the guest's. */
  readonly model?: string
  /** Files that go along: their content. */
  readonly files?: readonly { readonly name: string; readonly mediaType: string; readonly data: Uint8Array }[]
  /** Cancels the turn; the run then rejects with `cancelled`. */
  readonly signal?: AbortSignal
}

/** A call that the model has made. */
export interface RunCall {
  readonly id: string
  readonly name: string
  /** JSON text, as the model wrote it. */
  readonly input: string
  readonly status: CallView['status']
  /** The result as the model reads it. */
  readonly text: string
  readonly ms: number | null
}

export interface Reply {
  readonly text: string
  readonly session: string
  readonly turn: string
  /** `limit`: a limit ended the turn with what it had. */
  readonly status: 'ok' | 'limit'
  /** Of a turn that is `limit`, or whose answer was cut. */
  readonly failure: Failure | null
  readonly calls: readonly RunCall[]
  readonly model: string
  readonly steps: number
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number }
  /** What it cost, in micro-dollars. */
  readonly microDollars: number
}

export type RunEvent =
  /** Append it to the text so far. */
  | { readonly type: 'text'; readonly text: string }
  /** The text so far is void: this is in its place. */
  | { readonly type: 'restart'; readonly text: string }
  /** A call of the model, each time that it changes: it runs, waits, has ended. */
  | { readonly type: 'call'; readonly call: RunCall }
  /** The end of what a call has put out so far. */
  | { readonly type: 'progress'; readonly id: string; readonly name: string; readonly output: string }
  /** The last one. */
  | { readonly type: 'reply'; readonly reply: Reply }

/**
 * Await it for the reply, or iterate over it for what happens, at once: what has happened before is not repeated.
 * Rejects, and its iteration throws, with an OxbowError: the failure of the turn, or of the guest.
 */
export type Run = Promise<Reply> & AsyncIterable<RunEvent>

export interface Session {
  readonly id: string
  /** Sends a message. Messages of a session are answered one after the other. */
  run(text: string, options?: RunOptions): Run
  /** @returns whether a turn was running */
  cancel(): Promise<boolean>
}

interface SessionDeps {
  readonly client: Pick<Client, 'sendTurn' | 'follow' | 'cancelTurn'>
  readonly decide: (pending: PendingApproval) => Promise<void>
  /** Called when its last run has ended and nobody keeps it: it is not followed any more. */
  readonly onIdle: () => void
}

export interface OpenSession {
  readonly session: Session
  /** It stays followed between its runs. */
  keep(): void
}

type Listener = (event: FollowEvent) => void

export function createSession(id: SessionId, { client, decide, onIdle }: SessionDeps): OpenSession {
  const listeners = new Set<Listener>()
  const newId = createIdMaker(systemClock, systemRandom)
  let following: ReturnType<Client['follow']> | null = null
  let isKept = false
  let running = 0
  let last: Promise<unknown> = Promise.resolve()
  const ask = createAsker(decide)
  const take: Listener = (event) => {
    if (event.type === 'approval' && event.waits) ask(event.approval)
    if (event.type === 'caught_up') event.pending.forEach(ask)
    for (const listener of listeners) listener(event)
  }
  /** The port of `watchTurn`: many turns listen to one following. */
  const gateway: Pick<Client, 'follow'> = {
    async follow(_session, cursor, handler) {
      listeners.add(handler)
      return { cursor: () => cursor, stop: () => void listeners.delete(handler) }
    },
  }
  const runTurn = async (text: string, options: RunOptions, onEvent: (event: RunEvent) => void): Promise<Reply> => {
    const { model, files = [], signal } = options
    if (isAborted(signal)) throw cancelled()
    const turn = newId() as CallId & TurnId
    const view = createViewer(turn, onEvent)
    const watch = await watchTurn({ gateway, session: id, turn, cursor: 0, onEvent: view, onPending: ask })
    const cancel = (): void => void client.cancelTurn(id).catch(() => {})
    try {
      const { cursor } = await client.sendTurn({ session: id, text, model, clientId: turn, ...attachmentsOf(files) })
      // From the record of the message on, whatever came before.
      following ??= client.follow(id, cursor - 1, take)
      await following
      signal?.addEventListener('abort', cancel, { once: true })
      if (isAborted(signal)) cancel()
      return replyOf(await watch.over, id)
    } finally {
      signal?.removeEventListener('abort', cancel)
      watch.stop()
    }
  }
  const leave = (): void => {
    running -= 1
    if (running > 0 || isKept) return
    void following?.then(({ stop }) => stop()).catch(() => {})
    following = null
    onIdle()
  }
  const session: Session = {
    id,
    cancel: () => client.cancelTurn(id),
    run(text, options = {}) {
      const events = createEvents()
      running += 1
      const reply = last.then(() => runTurn(text, options, events.push)).finally(leave)
      last = reply.catch(() => {})
      reply.then(
        (done) => events.end({ type: 'reply', reply: done }),
        (error: unknown) => events.fail(error),
      )
      return Object.assign(reply, { [Symbol.asyncIterator]: events.iterate })
    },
  }
  return { session, keep: () => void (isKept = true) }
}

/** @returns decides each question once, however often it is told */
function createAsker(decide: SessionDeps['decide']): (pending: PendingApproval) => void {
  const asked = new Set<string>()
  return (pending) => {
    if (asked.has(pending.call)) return
    asked.add(pending.call)
    // It may ask again after it was allowed, when what it would run has changed.
    void decide(pending).finally(() => asked.delete(pending.call))
  }
}

function attachmentsOf(files: NonNullable<RunOptions['files']>): Pick<Parameters<Client['sendTurn']>[0], 'attachments'> {
  if (files.length === 0) return {}
  return {
    attachments: files.map(({ name, mediaType, data }) => ({ name, media_type: mediaType, data: Buffer.from(data).toString('base64') })),
  }
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

function cancelled(): OxbowError {
  return new OxbowError('cancelled', 'The run was cancelled.', { hint: 'Nothing was sent.' })
}

/** @returns a listener that tells what has changed of a turn */
function createViewer(turn: TurnId, onEvent: (event: RunEvent) => void): (event: FollowEvent, view: TurnView) => void {
  const shown = new Map<string, CallView>()
  return (event, view) => {
    if (event.type === 'text' || event.type === 'restart') {
      if (event.turn === view.turn || event.turn === turn) onEvent({ type: event.type, text: event.text })
    } else if (event.type === 'progress') {
      if (event.turn === view.turn) onEvent({ type: 'progress', id: event.call, name: event.name, output: event.output ?? '' })
    } else if (event.type === 'record') {
      for (const call of view.calls) {
        if (shown.get(call.call) === call) continue
        shown.set(call.call, call)
        onEvent({ type: 'call', call: callOf(call) })
      }
    }
  }
}

const callOf = ({ call, name, input, status, text, ms }: CallView): RunCall => ({ id: call, name, input, status, text, ms })

/** @throws OxbowError the failure of a turn that has none to show */
function replyOf(view: TurnView, session: SessionId): Reply {
  const { status, failure } = view
  if (status === 'failed' && failure !== null) throw toError(failure)
  if (status !== 'ok' && status !== 'limit')
    throw failure === null ? new OxbowError('cancelled', 'The turn was cancelled.', { hint: 'Send the message again.' }) : toError(failure)
  return {
    text: view.reply,
    session,
    turn: view.turn,
    status,
    failure,
    calls: view.calls.map(callOf),
    model: view.model,
    steps: view.steps,
    usage: { inputTokens: view.usage.inputTokens, outputTokens: view.usage.outputTokens },
    microDollars: view.spent.microDollars,
  }
}

/** Events for those who iterate; nothing is kept for others. */
function createEvents() {
  const readers = new Set<{ events: RunEvent[]; wake: () => void }>()
  let end: { readonly error: unknown } | 'done' | null = null
  const push = (event: RunEvent): void => {
    for (const reader of readers) {
      reader.events.push(event)
      reader.wake()
    }
  }
  const finish = (how: NonNullable<typeof end>): void => {
    end = how
    for (const { wake } of readers) wake()
  }
  return {
    push,
    end(event: RunEvent): void {
      push(event)
      finish('done')
    },
    fail: (error: unknown): void => finish({ error }),
    iterate(): AsyncGenerator<RunEvent> {
      const reader = { events: [] as RunEvent[], wake: (): void => {} }
      readers.add(reader)
      return read(reader)
    },
  }

  async function* read(reader: { events: RunEvent[]; wake: () => void }): AsyncGenerator<RunEvent> {
    try {
      for (;;) {
        yield* reader.events.splice(0)
        if (reader.events.length > 0) continue
        if (end === 'done') return
        if (end !== null) throw end.error
        await new Promise<void>((resolve) => (reader.wake = resolve))
      }
    } finally {
      readers.delete(reader)
    }
  }
}

/**
 * A kernel in memory that keeps the facade's promises: records have one gapless sequence, a message that is sent twice is one
 * turn, a follower gets every record after its cursor, one snapshot, then live events, and each event is the same object for
 * all. What the agent does, the test does by hand.
 */
import type { Kernel, KernelEvent } from '../kernel/index.ts'
import {
  type CallId,
  createIdMaker,
  type IdMaker,
  type Json,
  OxbowError,
  type SessionId,
  systemClock,
  systemRandom,
  type TurnId,
  type UserId,
} from '../base/index.ts'
import {
  type CallOutcome,
  type GuestStatus,
  type Notice,
  type PendingApproval,
  type RecordView,
  type SessionInfo,
  turnCall,
} from '../protocol/index.ts'

export interface FakeKernel extends Kernel {
  /** Streams text of the running reply, which starts with the first. @returns the generation's call. */
  say(session: SessionId, text: string): CallId
  /** Ends the running reply; its record holds the whole text, or the text as it was cleaned. */
  finish(session: SessionId, cleaned?: string): void
  record(session: SessionId, name: string, body?: Json): RecordView
  progress(session: SessionId): void
  notice(notice: Notice): void
  /** Parks a call that waits for a person. */
  park(session: SessionId): CallId
  /** The next list of sessions fails with this. */
  failNextList(error: unknown): void
  /** Messages that were taken in, each once. */
  readonly messages: readonly string[]
  readonly decisions: readonly { readonly call: CallId; readonly allow: boolean }[]
  /** All records of the session. */
  seqs(session: SessionId): readonly number[]
  /** Followers of the session now. */
  followers(session: SessionId): number
}

interface Topic {
  readonly info: SessionInfo
  readonly records: RecordView[]
  readonly listeners: Set<(event: KernelEvent) => void>
  readonly pending: Map<CallId, PendingApproval>
  running: { readonly turn: TurnId; readonly call: CallId; readonly text: string } | null
  busy: boolean
}

/** What happened, and the two things that everything below is made of. */
interface World {
  readonly noticed: Set<(notice: Notice) => void>
  readonly newId: IdMaker
  readonly topics: Map<SessionId, Topic>
  readonly messages: string[]
  readonly decisions: { call: CallId; allow: boolean }[]
  toFail: { readonly error: unknown } | null
  topicOf(session: SessionId): Topic
  append(session: SessionId, call: CallId, name: string, phase: RecordView['phase'], body: Json): RecordView
}

/** @param commit what an append waits for; a test may hold commits back with it */
export function createFakeKernel(commit: () => Promise<void> = groupCommit()): FakeKernel {
  const world = createWorld()
  return { ...facade(world, commit), ...hands(world), messages: world.messages, decisions: world.decisions }
}

function createWorld(): World {
  let seq = 0
  const world: World = {
    newId: createIdMaker(systemClock, systemRandom),
    topics: new Map(),
    messages: [],
    decisions: [],
    toFail: null,
    noticed: new Set(),
    topicOf(session) {
      const topic = world.topics.get(session)
      if (topic === undefined) throw new OxbowError('not_found', `There is no session ${session}.`, { hint: 'See `oxbow sessions`.' })
      return topic
    },
    append(session, call, name, phase, body) {
      const topic = world.topicOf(session)
      const turn = topic.running?.turn ?? ''
      const record: RecordView = { seq: (seq += 1), at: systemClock.now(), actor: 'agent:ox', session, turn, call, name, phase, body }
      topic.records.push(record)
      emit(topic, { type: 'record', record })
      return record
    },
  }
  return world
}

function emit(topic: Topic, event: KernelEvent): void {
  topic.listeners.forEach((listener) => listener(event))
}

function describe({ info, busy, records }: Topic): SessionInfo {
  return { ...info, busy, active_at: records.at(-1)?.at ?? info.created_at }
}

const refuseKey = (): Promise<never> =>
  Promise.reject(new OxbowError('unauthenticated', 'The API key is not known.', { hint: 'Use the token.' }))

function facade(world: World, commit: () => Promise<void>): Kernel {
  const { newId, topics, topicOf, append } = world
  const sent = new Map<CallId, number>()
  return {
    status: () => status,
    withKey: refuseKey,
    check: async () => true,
    async createSession(title = '', clientId = newId() as CallId) {
      await commit()
      const id = clientId as string as SessionId
      const made = topics.get(id)
      if (made !== undefined) return describe(made)
      const at = systemClock.now()
      const info = { id, title, created_at: at, active_at: at, turns: 0, busy: false }
      const topic: Topic = { info, records: [], listeners: new Set(), pending: new Map(), running: null, busy: false }
      topics.set(id, topic)
      return describe(topic)
    },
    async listSessions(limit) {
      const { toFail } = world
      world.toFail = null
      if (toFail !== null) throw toFail.error
      return [...topics.values()].toReversed().slice(0, limit).map(describe)
    },
    async sendTurn({ session, clientId, text }) {
      const topic = topicOf(session)
      // Taken in before the commit: the same message twice in one batch is one too.
      const duplicate = sent.has(clientId)
      if (!duplicate) sent.set(clientId, 0)
      await commit()
      if (!duplicate) {
        world.messages.push(text)
        topic.busy = true
        sent.set(clientId, append(session, clientId, turnCall, 'intent', { text }).seq)
      }
      return { turn: clientId as string as TurnId, cursor: sent.get(clientId) ?? 0, duplicate }
    },
    async cancelTurn(session) {
      const topic = topicOf(session)
      const was = topic.busy
      topic.busy = false
      topic.running = null
      return was
    },
    async approve(call, allow) {
      const topic = [...topics.values()].find(({ pending }) => pending.delete(call))
      if (topic === undefined)
        throw new OxbowError('not_found', `No call ${call} is waiting for approval.`, {
          hint: 'It may have been decided or cancelled already.',
        })
      world.decisions.push({ call, allow })
      append(topic.info.id, call, 'shell.exec', 'decided', { allow })
      return ''
    },
    call: (async (name: string, input: Json): Promise<CallOutcome> => {
      if (name === 'test.echo') return { status: 'ok', output: input, text: JSON.stringify(input), ok: true }
      const failure = { code: 'unknown_call', message: `No call has the name ${name}.`, hint: 'See `oxbow calls`.' } as const
      return { status: 'refused', failure, text: failure.message }
    }) as Kernel['call'],
    onNotice(listener) {
      world.noticed.add(listener)
      return () => world.noticed.delete(listener)
    },
    follow: (session, cursor, listener, past) => followTopic(topicOf(session), commit, cursor, listener, past),
    settle: async () => {},
    close: async () => topics.clear(),
  }
}

async function followTopic(
  topic: Topic,
  commit: () => Promise<void>,
  cursor: number,
  listener: Parameters<Kernel['follow']>[2],
  { pace = (work: () => Promise<boolean>) => work() }: NonNullable<Parameters<Kernel['follow']>[3]> = {},
): Promise<() => void> {
  const session = topic.info.id
  await commit()
  const past = topic.records.filter((record) => record.seq > cursor)
  for (let from = 0; from < past.length; from += pastPage) {
    await pace(async () => {
      for (const record of past.slice(from, from + pastPage)) listener({ type: 'record', record: { ...record } })
      return true
    })
  }
  const { turn = null, call = null, text = '' } = topic.running ?? {}
  const last = Math.max(cursor, topic.records.at(-1)?.seq ?? 0)
  listener({ type: 'snapshot', session, cursor: last, turn, call, text, pending: [...topic.pending.values()] })
  topic.listeners.add(listener)
  return () => void topic.listeners.delete(listener)
}

const pastPage = 10

const status: GuestStatus = {
  user: 'ada' as UserId,
  version: '0.0.0',
  model: 'fake/fake',
  fallback: [],
  recording: 'parsed',
  notice: '',
  sandbox: {
    asked: 'process',
    tier: 'none',
    provider: '',
    files: false,
    shell: false,
    profiles: [],
    problem: null,
    limits: [],
    degraded: [],
  },
  store: 'file',
  embedder: 'none',
  read_only: null,
}

/** What a test does in the agent's place. */
function hands(world: World): Omit<FakeKernel, keyof Kernel | 'messages' | 'decisions'> {
  const { newId, topicOf, append } = world
  return {
    seqs: (session) => topicOf(session).records.map(({ seq }) => seq),
    followers: (session) => topicOf(session).listeners.size,
    notice: (notice) => world.noticed.forEach((listener) => listener(notice)),
    failNextList: (error) => void (world.toFail = { error }),
    say(session, text) {
      const topic = topicOf(session)
      const { turn, call, text: before } = topic.running ?? { turn: newId() as TurnId, call: newId() as CallId, text: '' }
      topic.running = { turn, call, text: before + text }
      emit(topic, { type: 'delta', session, turn, call, offset: before.length, text })
      return call
    },
    finish(session, cleaned) {
      const topic = topicOf(session)
      if (topic.running === null) return
      const { call, text } = topic.running
      const message = { role: 'assistant', parts: [{ type: 'text', text: cleaned ?? text }] }
      append(session, call, 'model.generate', 'outcome', { status: 'ok', message })
      topic.running = null
    },
    record: (session, name, body = {}) => append(session, newId() as CallId, name, 'outcome', body),
    progress(session) {
      const [turn, call] = [newId() as TurnId, newId() as CallId]
      emit(topicOf(session), { type: 'progress', session, turn, call, name: 'shell.exec', elapsed_ms: 5_000 })
    },
    park(session) {
      const topic = topicOf(session)
      const call = `${newId()}.0` as CallId
      topic.pending.set(call, { call, session, turn: newId() as TurnId, name: 'shell.exec', input: '{"command":"ls"}', at: 0 })
      append(session, call, 'shell.exec', 'parked', { input: '{"command":"ls"}' })
      return call
    },
  }
}

/** All that wait in one turn of the event loop are committed together, as a real store does. */
function groupCommit(): () => Promise<void> {
  let next: Promise<void> | null = null
  return () =>
    (next ??= new Promise((resolve) => {
      setImmediate(() => {
        next = null
        resolve()
      })
    }))
}

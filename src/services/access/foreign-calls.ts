/**
 * Calls that a model outside of this guest makes, through a key's program. They are judged like an agent's: only calls that models
 * are offered, by the rights of the key, with the flow policy and approvals; what a person must decide waits under the id of the call.
 *
 * The model is outside, so each result leaves this guest. Where the session has read something that is labelled, the result first passes
 * the gate as `client.reply`, a sink that `[flow]` judges by these labels.
 *
 * A call that waits outlives the request that made it: `again` finds it by its id, also after a restart of the guest, when it is made
 * again under the same id with the input that the journal has.
 */
import {
  type Approvals,
  type CallReference,
  clientReply,
  type Events,
  type Gate,
  type Journal,
  judgeFlow,
  type Registry,
  runtimeCaller,
  type Sessions,
  type ForeignCall,
  type ForeignCalls,
  type ForeignEnd,
  type ForeignRun,
  type OfferedCalls,
} from '../../kernel/index.ts'
import { type CallId, isObject, OxbowError, type SessionId, type TurnId, untilAborted } from '../../base/index.ts'
import {
  type Blobs,
  type Call,
  type Caller,
  type CallOutcome,
  isTurn,
  type JournalRecord,
  type KeptFile,
  type PendingApproval,
  type RecordView,
  toolName,
  turnCall,
} from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'

/** Pictures of one result. */
const maxReplyPictures = 8

/** Calls of one key, from a model outside, that run or wait at once; and those that have ended and are still known without the journal. */
const maxForeignRuns = 64

const keptForeignRuns = 500

export interface ForeignDeps {
  readonly gate: Gate
  readonly registry: Pick<Registry, 'parse' | 'references' | 'find' | 'known' | 'tools' | 'laterTools' | 'coming'>
  readonly journal: Pick<Journal, 'flushed' | 'store'>
  readonly sessions: Pick<Sessions, 'load' | 'held'>
  readonly approvals: Pick<Approvals, 'find'>
  readonly events: Pick<Events, 'follow' | 'watchers'>
  readonly blobs: Pick<Blobs, 'read'>
  readonly flow: Config['flow']
  readonly openSession: (title: string) => Promise<SessionId>
}

/** A call that is gone may have changed some, too. */
function mayChangeFiles(call: Call | undefined): boolean {
  return call?.tier !== 'read_only'
}

type CallerOf = (session: SessionId | '', turn: TurnId | '') => Promise<Caller>

/** @returns a function that makes the calls of one key; what waits is found by all who have the key */
export function createForeignCalls(deps: ForeignDeps): (callerOf: CallerOf) => ForeignCalls {
  const runs: Runs = new Map()
  const describe = described(deps)
  return (callerOf) => ({ ...makingCalls(deps, runs, callerOf), ...aboutCalls(deps, callerOf, describe) })
}

/** Those that run or wait, and the newest that have ended: the journal answers for older ones. */
type Runs = Map<CallId, { readonly run: ForeignRun; readonly actor: string; isOver: boolean }>

function makingCalls(deps: ForeignDeps, runs: Runs, callerOf: CallerOf): Pick<ForeignCalls, 'begin' | 'reply' | 'again' | 'sentTo'> {
  const start = async ({ id, session }: ForeignCall, begin: (caller: Caller, onEnd: () => void) => ForeignRun): Promise<ForeignRun> => {
    const [caller] = await Promise.all([callerOf(session, id as string as TurnId), deps.sessions.load(session)])
    const { actor } = caller
    if ([...runs.values()].filter((each) => each.actor === actor && !each.isOver).length >= maxForeignRuns)
      throw new OxbowError('limit_reached', `${maxForeignRuns} calls of this key are running or waiting.`, {
        hint: 'Wait for one of them to end, or cancel it.',
      })
    const entry = { run: begin(caller, () => (entry.isOver = true)), actor, isOver: false }
    runs.set(id, entry)
    const over = [...runs].filter(([, each]) => each.isOver)
    for (const [old] of over.slice(0, Math.max(0, over.length - keptForeignRuns))) runs.delete(old)
    return entry.run
  }
  const make = (call: ForeignCall, resumed: boolean): Promise<ForeignRun> =>
    start(call, (caller, onEnd) => createRun(deps, caller, call, (made) => makeCall(deps, made, call, resumed), onEnd))
  return {
    begin: (call) => make(call, false),
    reply: (call, outcome) => start(call, (caller, onEnd) => createRun(deps, caller, call, async () => outcome, onEnd)),
    async again(id) {
      const { actor } = await callerOf('', '')
      const known = runs.get(id)
      if (known !== undefined && known.actor === actor) return known.run
      const call = await findCall(deps, id, actor)
      return isTurn(call) ? null : make(call, true)
    },
    async sentTo(message) {
      const { name, session } = await findCall(deps, message, (await callerOf('', '')).actor)
      if (name === turnCall) return session
      throw noCall
    },
  }
}

function aboutCalls(
  deps: ForeignDeps,
  callerOf: CallerOf,
  describe: Described,
): Omit<ForeignCalls, 'begin' | 'reply' | 'again' | 'sentTo'> {
  const { registry, sessions, events } = deps
  return {
    tools: async () => toolsFor(deps, await callerOf('', ''), describe),
    async find(tool) {
      await registry.parse(clientReply, {})
      const call = registry.known(tool)
      if (call === undefined || call.inTurn === true) return null
      const { name, right, audience, forPrograms, labels } = call
      const found = { name, right, quotes: labels.adds.includes('untrusted') }
      if (audience.includes('model')) return { ...found, by: 'model' }
      return forPrograms === true ? { ...found, by: 'program' } : null
    },
    async readable() {
      return (await callerOf('', '')).limits?.only.get('file.read') ?? null
    },
    async mayLeave(session) {
      await Promise.all([registry.parse(clientReply, {}), sessions.load(session)])
      const call = registry.find(clientReply)
      return call !== undefined && judgeFlow(sessions.held({ session }), call, deps.flow).decision === 'allow'
    },
    async may(right) {
      const { rights, limits } = await callerOf('', '')
      return (rights.has('*') || rights.has(right)) && limits?.denied.has(right) !== true
    },
    onChange(listener) {
      const watch = ({ name, phase }: RecordView): void => {
        if (phase === 'outcome' && mayChangeFiles(registry.find(name))) listener()
      }
      events.watchers.add(watch)
      return () => void events.watchers.delete(watch)
    },
    version: registry.coming,
    openSession: deps.openSession,
    onProgress: (session, call, listener) =>
      events.follow(session, Number.MAX_SAFE_INTEGER, (event) => {
        if (event.type === 'progress' && event.call === call) listener(event.elapsed_ms)
      }),
  }
}

type Described = () => readonly CallReference[]

/** Describing all calls takes milliseconds, and they seldom change. */
function described({ registry }: ForeignDeps): Described {
  let known: { readonly coming: unknown; readonly references: readonly CallReference[] } | null = null
  return () => {
    const coming = registry.coming()
    if (known === null || known.coming !== coming) known = { coming, references: registry.references() }
    return known.references
  }
}

/** What a key is offered: as an agent with these rights, but all at once. */
async function toolsFor({ registry }: ForeignDeps, { rights, limits }: Caller, describe: Described): Promise<OfferedCalls> {
  // Loads the descriptions.
  await registry.parse(clientReply, {})
  const references = describe()
  const every = rights.has('*') ? new Set(references.map(({ right }) => right)) : rights
  const names = new Set([...registry.tools(every, []), ...registry.laterTools(every)].map(({ name }) => name))
  const known = references.flatMap((reference) => {
    const call = registry.find(reference.name)
    const isAllowed = call !== undefined && every.has(call.right) && limits?.denied.has(call.right) !== true
    return isAllowed && call.inTurn !== true ? [{ ...reference, isOpen: isOpen(call), forPrograms: call.forPrograms === true }] : []
  })
  return {
    calls: known.filter(({ name }) => names.has(toolName(name))),
    programs: known.filter(({ forPrograms }) => forPrograms),
  }
}

const isOpen = ({ labels }: Call): boolean => labels.sink || labels.adds.length > 0

interface Made {
  readonly caller: Caller
  readonly signal: AbortSignal
  readonly onWait: (waiting: boolean) => void
}

type Work = (made: Made) => Promise<CallOutcome>

function makeCall({ gate }: ForeignDeps, { caller, signal, onWait }: Made, call: ForeignCall, resumed: boolean): Promise<CallOutcome> {
  const { id, name, input } = call
  return gate.call({ ...caller, audience: 'model' }, name, input, { id, signal, resumed, onWait })
}

function createRun(deps: ForeignDeps, caller: Caller, call: ForeignCall, work: Work, onEnd: () => void): ForeignRun {
  const stop = new AbortController()
  const replyId = `${call.id}.reply` as CallId
  let end: { readonly ended: ForeignEnd } | null = null
  let failed: { readonly error: unknown } | null = null
  let parked: PendingApproval | null = null
  let changed = Promise.withResolvers<void>()
  const wake = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  const made: Made = {
    caller,
    signal: stop.signal,
    onWait(waiting) {
      parked = waiting ? (deps.approvals.find(replyId) ?? deps.approvals.find(call.id) ?? null) : null
      wake()
    },
  }
  work(made)
    .then((outcome) => passOn(deps, made, call, replyId, outcome))
    .then(
      (ended) => (end = { ended }),
      (error: unknown) => (failed = { error }),
    )
    .finally(() => {
      onEnd()
      wake()
    })
    .catch(() => {})
  return {
    id: call.id,
    name: call.name,
    session: call.session,
    async next(signal, seen) {
      for (;;) {
        if (failed !== null) throw failed.error
        if (end !== null) return end
        if (parked !== null && parked !== seen) return { asks: parked }
        await untilAborted(changed.promise, signal)
      }
    },
    cancel: () => stop.abort('cancelled'),
  }
}

/** The result leaves this guest: where the session has read something labelled, `[flow]` decides. */
async function passOn(deps: ForeignDeps, made: Made, call: ForeignCall, id: CallId, outcome: CallOutcome): Promise<ForeignEnd> {
  const { caller, signal, onWait } = made
  // What was refused at the gate, or by a person, has nothing of what a call has read.
  if (deps.sessions.held(caller).length > 0 && outcome.status !== 'refused') {
    const options = { id, signal, resumed: true, onWait }
    const passed = await deps.gate.call(runtimeCaller(caller, caller.actor), clientReply, { call: call.id, name: call.name }, options)
    if (passed.status !== 'ok') return { outcome: passed, pictures: [] }
  }
  const files = outcome.status === 'ok' ? (outcome.files ?? []) : []
  return { outcome, pictures: await picturesOf(deps, files) }
}

async function picturesOf({ blobs }: ForeignDeps, files: readonly KeptFile[]): Promise<ForeignEnd['pictures']> {
  const pictures = files.filter(({ media_type: type }) => type.startsWith('image/')).slice(0, maxReplyPictures)
  const read = pictures.map(async ({ media_type: mediaType, pieces }) => {
    const bytes = await Promise.all(pieces.map((piece) => blobs.read(piece)))
    return { mediaType, data: Buffer.concat(bytes.map((piece) => piece ?? Buffer.alloc(0))) }
  })
  return Promise.all(read)
}

/** @returns the call as the journal has it. @throws OxbowError `not_found`, also for a call of somebody else */
async function findCall({ journal }: ForeignDeps, id: CallId, actor: string): Promise<ForeignCall> {
  await journal.flushed()
  const phases = ['parked', 'intent', 'outcome', 'refused', 'reconciled'] as const
  const records = await journal.store.records({ call: id, phases, order: 'oldest_first', limit: 20, hydrate: true })
  const [first] = records
  if (first === undefined || first.actor !== actor || first.session === '') throw noCall
  return { id, name: first.name, session: first.session, input: inputOf(records) }
}

const noCall = new OxbowError('not_found', 'No call of this key has this id.', { hint: 'Use the id that the answer named.' })

function inputOf(records: readonly JournalRecord[]): unknown {
  for (const { phase, body } of records) {
    const input = (JSON.parse(body) as { readonly input?: unknown }).input
    if (phase === 'parked' && typeof input === 'string') return JSON.parse(input)
    if (phase === 'intent' && isObject(input)) return input
  }
  // It has ended without an intent: the gate answers with its record.
  return {}
}

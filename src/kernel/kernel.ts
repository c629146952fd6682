/** Builds one user's kernel from its parts, takes up what a crash cut off, and is the facade. */
import type { Memory } from '../memory/index.ts'
import type { Store } from '../store/index.ts'
import {
  type Blobs,
  type Call,
  type CallId,
  type CallOutcome,
  type Clock,
  type Config,
  createIdMaker,
  type Engine,
  modelLabel,
  OxbowError,
  type PendingApproval,
  type Random,
  type RecordView,
  type Sandbox,
  type SessionId,
  type TurnId,
  type UserId,
} from '../types/index.ts'
import { createAgent } from './turns/agent.ts'
import type { KernelCallDeps } from './calls/kernel-calls.ts'
import { createEmbed } from './models/embed-call.ts'
import { createConversations } from './conversation/conversations.ts'
import { createScratchpads } from './conversation/scratchpads.ts'
import { createEvents } from './events.ts'
import type { Kernel } from './facade.ts'
import { createGate } from './gate.ts'
import { createJournal, type Journal } from './journal.ts'
import { createLanes, queueFull } from './turns/lanes.ts'
import { createRolling } from './turns/rolling.ts'
import { createProjector } from './projections.ts'
import { type OpenTurn, reconcile } from './turns/recovery.ts'
import { userCaller } from './stages/policy.ts'
import { createRegistry, describeCall } from './registry.ts'
import { createRunningCalls } from './stages/running-calls.ts'
import { createSessions, describeSession, sessionsOf } from './sessions.ts'
import { forgetBy } from './background/forget-by.ts'
import { createTidyDue } from './background/tidy-due.ts'
import { createTitleDue } from './background/title-due.ts'
import { createApprovals } from './stages/approvals.ts'
import { createBudgets } from './stages/budgets.ts'
import { type CleanerDeps, createCleaner } from './stages/cleaning.ts'
import { createKeptOutputs, type KeptOutputs } from './stages/kept-outputs.ts'

export interface KernelOptions {
  readonly user: UserId
  readonly version: string
  readonly config: Config
  readonly store: Store
  /** For people: `file`, or an address without its password. */
  readonly storeName?: string
  /** What a person should know about a store that works; empty: nothing. */
  readonly storeWarning?: () => string
  readonly engine: Engine
  readonly sandbox: Sandbox
  /** The calls that do things: files, shell … The kernel adds its own. Asked once, when the first call is made. */
  readonly calls: () => Promise<readonly Call[]>
  /** Closed with the kernel; absent: nothing is remembered. */
  readonly memory?: Memory
  /** Empty when there is none. */
  readonly workspaceRoot: string
  /** Values that must never reach a model, a log or a person, by the name that stands for them. */
  readonly secrets: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly random: Random
}

/**
 * The kernel can be asked at once: what needs the store waits until it is open and the turns that were cut off are on their way
 * again. A store that cannot be opened or written leaves a kernel that only reads.
 */
export function createKernel(options: KernelOptions): Kernel {
  const parts = wire(options)
  return facade(parts, options, resume(parts, options))
}

type Parts = ReturnType<typeof wire>

/** Every subsystem owns one matter; they meet in the gate and in the journal. */
function wire(options: KernelOptions) {
  const { user, config, store, engine, sandbox, clock, memory } = options
  const newId = createIdMaker(clock, options.random)
  const approvals = createApprovals()
  const events = createEvents(store, approvals.pending)
  const sessions = createSessions(store)
  const budgets = createBudgets(store, user, config.budget)
  const journal: Journal = createJournal({
    store,
    clock,
    project: createProjector({ user, sessions, budgets, conversations: () => conversations }),
    observe: (entry) => [conversations, scratchpads].forEach((each) => each.observe({ ...entry, session: entry.caller.session })),
    publish:
      memory === undefined ? events.publish : publishAnd(events.publish, memory, (record) => turnEnded.forEach((tell) => tell(record))),
    onFault: () => void lanes.stop(),
    onErased: () => [conversations, scratchpads, rolling.summaries].forEach((each) => each.drop()),
  })
  const rolling = createRolling({ user, store, engine, config, sessions, newId, journal: () => journal, gate: () => gate })
  const tidyDue = createTidyDue({ memory, store, clock, config: config.memory.consolidation, background: rolling.background })
  const titleDue = createTitleDue({ sessions, titles: config.memory.titles, background: rolling.background })
  const turnEnded = [tidyDue, ...(titleDue === null ? [] : [titleDue])]
  const conversations = createConversations(rolling.history, journal.flushed)
  const scratchpads = createScratchpads({ store, flushed: journal.flushed, changedBy: sessions.scratchpad })
  const lanes = createLanes({
    journal,
    sandbox,
    owner: `guest:${user}`,
    timeLimitS: config.turn.time_limit_s,
    runTurn: (turn) => agent.runTurn(turn),
  })
  const recovered = new Map<CallId, OpenTurn>()
  const keptOutputs = createKeptOutputs()
  const cleaner = createCleaner({ ...options, keep: keepNoted(store, keptOutputs) })
  const blobs: Blobs = { keep: store.putBlob, read: store.blob }
  const parts = { budgets, lanes, conversations, scratchpads, sessions, events, blobs, cleaner, keptOutputs }
  const registry = createRegistry(() =>
    allCalls(options, {
      ...ofOptions(options),
      ...parts,
      lineage: rolling.history.lineage,
      summaries: rolling.summaries,
      askForFacts: rolling.askForFacts,
      askForTitle: rolling.askForTitle,
      journal: () => journal,
      newSessionId: () => newId() as SessionId,
      past: (message) => recovered.get(message) ?? { started: false, into: null },
      laneTurn: (turn) => agent.turn(turn),
      references: () => registry.calls().map(describeCall),
      tools: (rights) => registry.tools(rights),
      decide: (call, allow, by) => decide({ approvals, journal }, call, allow, by),
    }),
  )
  const running = createRunningCalls(clock, events.progress)
  const stages = { registry, journal, approvals, budgets, cleaner, running, sandbox, clock, blobs }
  const gate = createGate({
    ...stages,
    approval: config.approval,
    flow: config.flow,
    labels: sessions,
    attachments: (turn) => (turn === '' ? [] : (agent.turn(turn)?.attachments() ?? [])),
  })
  const own = { scrub: cleaner.scrub, scratchpad: scratchpads.section, reminder: memory, rolling: rolling.runtime }
  const agent = createAgent({ config, engine, sandbox, registry, gate, newId, ...own })
  if (memory !== undefined) forgetBy(memory, { user, store, journal, gate: () => gate, summaries: rolling.summaries, newId })
  memory?.embedBy(createEmbed({ user, gate: () => gate, newId }))
  return { newId, approvals, events, sessions, journal, lanes, recovered, gate, blobs, background: rolling.background }
}

async function allCalls({ calls }: KernelOptions, deps: KernelCallDeps): Promise<readonly Call[]> {
  const [given, { kernelCalls }] = await Promise.all([calls(), import('./calls/kernel-calls.ts')])
  return [...given, ...kernelCalls(deps)]
}

function keepNoted(store: Pick<Store, 'putBlob'>, keptOutputs: KeptOutputs): CleanerDeps['keep'] {
  return async (bytes, labels) => {
    const hash = await store.putBlob(bytes)
    keptOutputs.note(hash, labels)
    return hash
  }
}

/** What calls need of what the kernel was given. */
function ofOptions({ store, user, engine, config, memory }: KernelOptions) {
  const { session, user: whole } = config.budget
  return {
    store,
    user,
    engine,
    memory,
    contextTokens: engine.model.contextTokens,
    config: config.model,
    consolidation: config.memory.consolidation,
    titles: config.memory.titles,
    moneyIsLimited: session.micro_dollars !== null || whole.micro_dollars !== null,
  }
}

/** Followers first; memory reads what a turn has said when it is over, behind everything else. */
function publishAnd(
  publish: (record: RecordView) => void,
  memory: Memory,
  turnEnded: (record: RecordView) => void,
): (record: RecordView) => void {
  return (record) => {
    publish(record)
    if (record.name !== 'turn.send' || record.phase !== 'outcome') return
    memory.poke()
    turnEnded(record)
  }
}

/** Sends every open message on its way again, oldest first. Never rejects: a store that fails here leaves a kernel that only reads. */
async function resume({ journal, sessions, recovered, gate }: Parts, { store, user }: KernelOptions): Promise<void> {
  try {
    for (const turn of await reconcile(store, journal)) {
      recovered.set(turn.id, turn)
      await sessions.load(turn.session)
      const caller = userCaller(user, turn.session, turn.into ?? (turn.id as string as TurnId))
      const { outcome } = gate.start(caller, 'turn.send', turn.input, { id: turn.id, signal: null, resumed: true })
      void outcome.catch(() => {}).finally(() => recovered.delete(turn.id))
    }
  } catch (error) {
    journal.fail(error)
  }
}

/** Puts a person's decision on record, then wakes the call that waits for it. */
async function decide(
  { approvals, journal }: Pick<Parts, 'approvals' | 'journal'>,
  call: CallId,
  allow: boolean,
  by: string,
): Promise<void> {
  const waiting = approvals.find(call) ?? (await parkedOf(journal, call))
  if (waiting === null) {
    throw new OxbowError('not_found', `No call ${call} waits for approval.`, { hint: 'It may have been decided or cancelled already.' })
  }
  const caller = { actor: by, session: waiting.session, turn: waiting.turn }
  await journal.append([{ caller, call, name: waiting.name, phase: 'decided', body: { input: waiting.input, allow, by } }], { sync: true })
  // One that was not up again yet after a restart finds the decision on record.
  approvals.decide(call, allow)
}

/** A call that was parked before a restart, and whose turn is not so far again that it waits. */
async function parkedOf(journal: Journal, call: CallId): Promise<PendingApproval | null> {
  const [newest] = await journal.store.records({ call, order: 'newest_first', limit: 1, hydrate: true })
  if (newest?.phase !== 'parked' || newest.session === '' || newest.turn === '') return null
  const { session, turn, name, at } = newest
  return { call, session, turn, name, at, input: (JSON.parse(newest.body) as { input: string }).input }
}

function facade(parts: Parts, options: KernelOptions, resumed: Promise<void>): Kernel {
  const { user, version, config, store, storeName = 'file', storeWarning = () => '', engine, sandbox, memory } = options
  const { newId, approvals, events, sessions, journal, lanes, gate, blobs, background } = parts
  const facts = engine.model
  const ask = async (name: string, input: unknown, session: SessionId | '' = ''): Promise<CallOutcome> => {
    await resumed
    return gate.call(userCaller(user, session, ''), name, input, { id: newId() as CallId, signal: null })
  }

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
    async createSession(title) {
      const { id } = expectOk(await ask('session.create', title === undefined ? {} : { title })) as { id: SessionId }
      return describeSession(await sessions.load(id), false)
    },
    async listSessions(limit) {
      // Whoever made a session just now finds it in the list.
      await journal.flushed()
      return (await sessionsOf(store, { limit, archived: false, search: '' })).map((row) => describeSession(row, lanes.isBusy(row.id)))
    },
    async sendTurn({ session, clientId, text, model, attachments = [] }) {
      await resumed
      await sessions.load(session)
      const files = attachments.length === 0 ? null : await (await import('./attachments/take-in.ts')).takeIn(attachments, blobs)
      // Room is taken before the message is journaled: a burst must not pass the limit side by side.
      if (!lanes.admit(session)) throw queueFull(session)
      const turn = clientId as string as TurnId
      const input = { text, ...(model !== undefined && { model }), ...(files !== null && { attachments: files }) }
      const { intended, outcome } = gate.start(userCaller(user, session, turn), 'turn.send', input, { id: clientId, signal: null })
      // The outcome is for followers; here only the acknowledgement matters.
      outcome.catch(() => {})
      const accepted = await intended.finally(() => lanes.admitted(session))
      if (accepted === null) throw refused(await outcome)
      return { turn, cursor: accepted.firstSeq, duplicate: accepted.duplicate }
    },
    cancelTurn: async (session) => (expectOk(await ask('turn.cancel', { session }, session)) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) => void expectOk(await ask('call.decide', { call, allow }, approvals.find(call)?.session ?? '')),
    call: ask,
    async follow(session, cursor, listener) {
      await resumed
      await sessions.load(session)
      return events.follow(session, cursor, listener)
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

const offlineNotice =
  'No model is set up: this is the offline command interpreter, which understands plain requests about files and commands. Type `help`.'

function expectOk(outcome: CallOutcome): unknown {
  if (outcome.status !== 'ok') throw refused(outcome)
  return outcome.output
}

function refused(outcome: CallOutcome): OxbowError {
  if (outcome.status === 'ok') throw new Error('not a refusal')
  return new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
}

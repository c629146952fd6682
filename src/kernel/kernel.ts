/** Builds one user's kernel from its parts, and is its facade. */
import { createCharacter, runTurn } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import {
  type Call,
  type CallId,
  type CallOutcome,
  type Clock,
  type Config,
  createIdMaker,
  type Engine,
  type GuestStatus,
  type Json,
  OxbowError,
  type Random,
  type Sandbox,
  type SessionId,
  type TurnId,
  type UserId,
} from '../types/index.ts'
import { kernelCalls } from './calls/kernel-calls.ts'
import { describeSession } from './calls/session-calls.ts'
import { createConversations } from './conversation/conversations.ts'
import { createEvents } from './events.ts'
import type { Kernel } from './facade.ts'
import { createGate } from './gate.ts'
import { createJournal, type Entry, type Journal } from './journal.ts'
import { createLanes, type LaneTurn, queueFull } from './lanes.ts'
import { maxQueuedMessages } from './limits.ts'
import { createProcess } from './process.ts'
import { type OpenTurn, reconcile, userCaller } from './recovery.ts'
import { createRegistry, describeCall } from './registry.ts'
import { createRunningCalls } from './running-calls.ts'
import { createSessions } from './sessions.ts'
import { createApprovals } from './stages/approvals.ts'
import { createBudgets } from './stages/budgets.ts'
import { createCleaner } from './stages/cleaning.ts'
import { processRight } from './stages/rights.ts'

export interface KernelOptions {
  readonly user: UserId
  readonly version: string
  readonly config: Config
  readonly store: Store
  readonly engine: Engine
  readonly sandbox: Sandbox
  /** The calls that do things: files, shell … The kernel adds its own. */
  readonly calls: readonly Call[]
  /** Empty when there is none. */
  readonly workspaceRoot: string
  /** Values that must never reach a model, a log or a person, by the name that stands for them. */
  readonly secrets: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly random: Random
}

/** Opens the kernel and takes up every turn that a crash or a stop cut off. */
export async function createKernel(options: KernelOptions): Promise<Kernel> {
  const { user, config, store, engine, sandbox, clock } = options
  const newId = createIdMaker(clock, options.random)

  // Subsystems, each owner of one matter.
  const approvals = createApprovals()
  const events = createEvents(store, approvals.pending)
  const sessions = createSessions(store)
  const budgets = await createBudgets(store, user, config.budget)
  const journal: Journal = createJournal({
    store,
    clock,
    project: (entry, at) => project(entry, at),
    observe: (entry) => conversations.observe({ ...entry, session: entry.caller.session }),
    publish: events.publish,
    onFault: () => void lanes.stop(),
  })
  const conversations = createConversations(store, journal.flushed)
  const turns = new Map<TurnId, LaneTurn>()
  const recovered = new Map<CallId, OpenTurn>()
  const lanes = createLanes({ journal, owner: newId(), timeLimitS: config.turn.time_limit_s, runTurn: runLaneTurn })

  // The registry and the gate.
  const registry = createRegistry([
    ...options.calls,
    ...kernelCalls({
      store,
      user,
      budgets,
      lanes,
      conversations,
      engine,
      events,
      contextTokens: config.model.context_tokens,
      moneyIsLimited: config.budget.session.micro_dollars !== null || config.budget.user.micro_dollars !== null,
      newSessionId: () => newId() as SessionId,
      past: (message) => recovered.get(message) ?? { started: false, into: null },
      laneTurn: (turn) => turns.get(turn),
      references: () => registry.calls.map(describeCall),
      tools: (rights) => registry.tools(rights),
      decide,
    }),
  ])
  const cleaner = createCleaner({ workspaceRoot: options.workspaceRoot, secrets: options.secrets, keep: store.putBlob })
  const running = createRunningCalls(clock, events.progress)
  const gate = createGate({
    registry,
    journal,
    approvals,
    budgets,
    cleaner,
    running,
    sandbox,
    clock,
    approval: config.approval,
    labels: sessions,
  })

  // The agent.
  const rights: ReadonlySet<string> = new Set([...config.agent.rights, processRight])
  const character = createCharacter({ ...config.agent, surroundings: () => sandbox.status.problem?.message ?? '' })
  const toolTokens = Buffer.byteLength(JSON.stringify(registry.tools(rights)))

  async function runLaneTurn(turn: LaneTurn) {
    turns.set(turn.id, turn)
    try {
      const process = createProcess({ gate, registry, newId, rights, actor: `agent:${config.agent.name}` }, turn)
      const facts = engine.facts(turn.input.model ?? config.model.name)
      return await runTurn(process, {
        facts,
        toolTokens,
        countTokens: engine.countTokens,
        maxTurns: config.turn.max_turns,
        providers: [character],
        evaluators: [],
      })
    } finally {
      turns.delete(turn.id)
    }
  }

  /** What follows from a record for the small tables; see the decision "The journal is the only history". */
  function project({ caller, name, phase, body }: Entry, at: number) {
    const { session } = caller
    const rows = []
    if (name === 'session.create' && phase === 'outcome' && body['status'] === 'ok') {
      const id = body['id'] as SessionId
      conversations.fresh(id)
      rows.push(sessions.created(id, body['title'] as string, at))
    } else if (name === 'turn.send' && phase === 'started' && body['into'] === undefined && session !== '') {
      rows.push(sessions.turnStarted(session, body['text'] as string, at))
    } else if (phase === 'outcome' && session !== '') rows.push(sessions.takeChanged(session))
    const changed = rows.filter((row) => row !== undefined && row !== null).map((row) => ({ kind: 'session', session: row }) as const)
    const spent = body['spent'] as { microDollars: number; tokens: number } | undefined
    if (phase === 'reconciled' && spent !== undefined)
      budgets.settle({ ...userCaller(user, session, caller.turn) }, { microDollars: 0, tokens: 0 }, spent)
    return spent === undefined ? changed : [...changed, ...budgets.projections(user, session, spent)]
  }

  async function decide(call: CallId, allow: boolean, by: string): Promise<void> {
    const waiting = approvals.find(call)
    if (waiting === undefined)
      throw new OxbowError('not_found', `No call ${call} waits for approval.`, { hint: 'It may have been decided or cancelled already.' })
    const caller = { actor: by, session: waiting.session, turn: waiting.turn }
    await journal.append([{ caller, call, name: waiting.name, phase: 'decided', body: { input: waiting.input, allow, by } }], {
      sync: true,
    })
    approvals.decide(call, allow)
  }

  // Recovery: turns that were cut off go on before the first new message.
  const never = new AbortController().signal
  for (const turn of await reconcile(store, journal)) {
    recovered.set(turn.id, turn)
    await sessions.load(turn.session)
    const { outcome } = gate.start(userCaller(user, turn.session, turn.into ?? (turn.id as string as TurnId)), 'turn.send', turn.input, {
      id: turn.id,
      signal: never,
      resumed: true,
    })
    void outcome.catch(() => {}).finally(() => recovered.delete(turn.id))
  }

  const asUser = (name: string, input: unknown, session: SessionId | '' = ''): Promise<CallOutcome> =>
    gate.call(userCaller(user, session, ''), name, input, { id: newId() as CallId, signal: never })

  return {
    status: (): GuestStatus => ({
      user,
      version: options.version,
      model: engine.facts(config.model.name).name,
      notice: engine.facts(config.model.name).provider === 'offline' ? offlineNotice : '',
      sandbox: sandbox.status,
      read_only: journal.fault(),
    }),
    async createSession(title) {
      const { id } = expectOk(await asUser('session.create', title === undefined ? {} : { title })) as { id: SessionId }
      return describeSession(await sessions.load(id), false)
    },
    listSessions: async (limit) => (await store.sessions(limit)).map((row) => describeSession(row, lanes.isBusy(row.id))),
    async sendTurn({ session, clientId, text, model }) {
      await sessions.load(session)
      if (lanes.queued(session) >= maxQueuedMessages) throw queueFull(session)
      const turn = clientId as string as TurnId
      const started = gate.start(userCaller(user, session, turn), 'turn.send', model === undefined ? { text } : { text, model }, {
        id: clientId,
        signal: never,
      })
      started.outcome.catch(() => {})
      const intended = await started.intended
      if (intended === null) throw refused(await started.outcome)
      return { turn, cursor: intended.firstSeq, duplicate: intended.duplicate }
    },
    cancelTurn: async (session) => (expectOk(await asUser('turn.cancel', { session }, session)) as { cancelled: boolean }).cancelled,
    approve: async (call, allow) => void expectOk(await asUser('call.decide', { call, allow }, approvals.find(call)?.session ?? '')),
    call: (name: string, input: Json, session?: SessionId) => asUser(name, input, session),
    async follow(session, cursor, listener) {
      await sessions.load(session)
      return events.follow(session, cursor, listener)
    },
    async close() {
      await lanes.stop()
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

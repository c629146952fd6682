/**
 * Puts one user's kernel together. Every subsystem owns one matter; they meet in the journal and in the gate, so these two are made
 * first. What either tells, or runs, of a part that is made later is reached by a closure, which runs later still.
 */
import type { Memory } from '../memory/index.ts'
import type { RollingSummary } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import {
  type Blobs,
  type Call,
  type CallId,
  type Clock,
  type Config,
  createIdMaker,
  type Engine,
  type IdMaker,
  type Random,
  type RecordView,
  type Sandbox,
  type SessionId,
  type UserId,
} from '../types/index.ts'
import { type Background, createBackground } from './background/background.ts'
import { forgetBy } from './background/forget-by.ts'
import { createTidyDue } from './background/tidy-due.ts'
import { createTitleDue } from './background/title-due.ts'
import type { KernelCallDeps } from './calls/kernel-calls.ts'
import { createConversations } from './conversation/conversations.ts'
import { createScratchpads } from './conversation/scratchpads.ts'
import { createSummaries } from './conversation/summaries.ts'
import { createEvents, type Events } from './events.ts'
import { createGate, type Gate, type GateDeps } from './gate.ts'
import { createJournal, type Journal } from './journal.ts'
import { type Complete, createComplete, createEmbed } from './models/ask-model.ts'
import { createProjector } from './projections.ts'
import { createRegistry } from './registry.ts'
import { createSessions, type Sessions } from './sessions.ts'
import { type Approvals, createApprovals } from './stages/approvals.ts'
import { createBudgets } from './stages/budgets.ts'
import { type CleanerDeps, createCleaner } from './stages/cleaning.ts'
import { createKeptOutputs, type KeptOutputs } from './stages/kept-outputs.ts'
import { createRunningCalls } from './stages/running-calls.ts'
import { createAgent } from './turns/agent.ts'
import { createLanes, type Lanes } from './turns/lanes.ts'
import type { OpenTurn } from './turns/recovery.ts'

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
  /** Where Oxbow itself is installed, when no model shall read it. */
  readonly hostFolders?: readonly string[]
  /** Values that must never reach a model, a log or a person, by the name that stands for them. */
  readonly secrets: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly random: Random
}

/** What the facade speaks with. */
export interface KernelParts {
  readonly newId: IdMaker
  readonly approvals: Approvals
  readonly events: Events
  readonly sessions: Sessions
  readonly journal: Journal
  readonly gate: Gate
  readonly blobs: Blobs
  readonly lanes: Lanes
  readonly background: Background
  /** Turns that a crash cut off and that are on their way again. */
  readonly recovered: Map<CallId, OpenTurn>
}

export function assembleParts(options: KernelOptions): KernelParts {
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
    observe: (entry) => [conversations, scratchpads, lanes].forEach((each) => each.observe({ ...entry, session: entry.caller.session })),
    publish(record) {
      // Followers first: whoever looks at a turn that is over comes behind everything else.
      events.publish(record)
      if (record.name === 'turn.send' && record.phase === 'outcome') turnEnded.forEach((tell) => tell(record))
    },
    onFault: () => void lanes.stop(),
    onStale: (session) => lanes.lose(session).then(() => sessions.forget(session)),
    onChanged: () => [conversations, scratchpads, summaries].forEach((each) => each.drop()),
  })
  const keptOutputs = createKeptOutputs()
  const cleaner = createCleaner({ ...options, keep: keepNoted(store, keptOutputs) })
  const blobs: Blobs = { keep: store.putBlob, read: store.blob }
  const registry = createRegistry(() => allCalls(options, callDeps()))
  const running = createRunningCalls(clock, events.progress)
  const stages = { registry, journal, approvals, budgets, cleaner, running, sandbox, clock, blobs }
  const attachments: GateDeps['attachments'] = (turn) => (turn === '' ? [] : (agent.turn(turn)?.attachments() ?? []))
  const gate = createGate({ ...stages, approval: config.approval, flow: config.flow, labels: sessions, attachments })

  const lineage = sessions.load
  const { summary, consolidation, titles } = config.memory
  const completeBy = (model: string): Complete => createComplete({ gate, newId, engine, model })
  const summaries = createSummaries({ store, lineage, journal, sessions, config: summary, engine, complete: completeBy(summary.model) })
  const conversations = createConversations({ store, lineage }, journal.flushed)
  const scratchpads = createScratchpads({ store, flushed: journal.flushed, changedBy: sessions.scratchpad })

  const background = createBackground({ user, gate, newId })
  const turnEnded: ((record: RecordView) => void)[] = []
  if (memory !== undefined) turnEnded.push(memory.poke, createTidyDue({ memory, store, clock, config: consolidation, background }))
  if (titles.model !== '') turnEnded.push(createTitleDue({ sessions, background }))
  const recovered = new Map<CallId, OpenTurn>()
  const lanes = createLanes({ user, clock, journal, sandbox, config: config.turn, runTurn: (turn) => agent.runTurn(turn), recovered })
  const told = { scrub: cleaner.scrub, scratchpad: scratchpads.section, reminder: memory, rolling: rollingBy(background, summary) }
  const agent = createAgent({ config, engine, sandbox, registry, gate, newId, ...told })
  if (memory !== undefined) forgetBy(memory, { user, store, journal, gate, summaries, newId })
  memory?.embedBy(createEmbed({ user, gate, newId }))

  const owners = { store, engine, memory, journal, approvals, sessions, budgets, events, lanes, blobs, cleaner, keptOutputs, recovered }
  const said = { conversations, summaries, scratchpads, lineage, background }
  const given = { user, contextTokens: engine.model.contextTokens, consolidation, titles, config: config.model }
  const callDeps = (): KernelCallDeps => ({
    ...owners,
    ...said,
    ...given,
    moneyIsLimited: config.budget.session.micro_dollars !== null || config.budget.user.micro_dollars !== null,
    askForFacts: completeBy(consolidation.model),
    askForTitle: completeBy(titles.model === 'session' ? '' : titles.model),
    newSessionId: () => newId() as SessionId,
    past: (message) => recovered.get(message) ?? { started: false, into: null, cancelled: false },
    laneTurn: (turn) => agent.turn(turn),
    references: registry.references,
    tools: (rights) => registry.tools(rights),
  })
  return { newId, approvals, events, sessions, journal, gate, blobs, lanes, background, recovered }
}

async function allCalls({ calls }: KernelOptions, deps: KernelCallDeps): Promise<readonly Call[]> {
  const [given, { kernelCalls }] = await Promise.all([calls(), import('./calls/kernel-calls.ts')])
  return [...given, ...kernelCalls(deps)]
}

/** What was too long to show whole can be read in parts, by whoever may know what it is labelled with. */
function keepNoted(store: Pick<Store, 'putBlob'>, keptOutputs: KeptOutputs): CleanerDeps['keep'] {
  return async (bytes, labels) => {
    const hash = await store.putBlob(bytes)
    keptOutputs.note(hash, labels)
    return hash
  }
}

/** How the runtime has a conversation summed up; undefined where summaries are off. */
function rollingBy(
  background: Background,
  { enabled, trigger_ratio: triggerRatio }: Config['memory']['summary'],
): RollingSummary | undefined {
  const later: RollingSummary['later'] = ({ session }, room) =>
    void background.run(session, 'session.summarize', { room, background: true })
  return enabled ? { triggerRatio, later } : undefined
}

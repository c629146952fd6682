/**
 * Puts one user's kernel together, in three steps: what is recorded (`Records`), the calls and the gate that they pass (`Calls`), the
 * turns that make them (`Turns`). Each step uses only the steps before it: what a later part needs from the journal it attaches itself.
 * The one exception is the registry, which describes calls about turns, and therefore asks for them with the first call.
 */
import type { Memory, MemoryHost } from '../memory/index.ts'
import {
  createSecrets,
  createSecretUses,
  createVaultReader,
  noKeeper,
  vaultThrough,
  type Secrets,
  type SecretKeeper,
} from '../secrets/index.ts'
import {
  type CallId,
  createIdMaker,
  type IdMaker,
  isDerived,
  type JsonObject,
  lazySchemaChecker,
  type SchemaChecker,
  type SessionId,
  type TurnId,
  type Clock,
  type Random,
  type UserId,
} from '../base/index.ts'
import {
  type Blobs,
  type Call,
  type KeptFile,
  type ToldLabels,
  turnCall,
  type Engine,
  type Sandbox,
  type ShownFolder,
} from '../protocol/index.ts'
import { type Background, createBackground, createComplete, rollingBy } from './turns/background.ts'
import { carriesConversation, type Conversations, createConversations } from './conversation/conversations.ts'
import { createScratchpads, type Scratchpads } from './conversation/scratchpads.ts'
import { type Complete, createConversationOf, createSummaries, maxBytesPerToken, type Summaries } from './conversation/summaries.ts'
import { type HeldJudges, holdJudges, stricter } from './stages/judging.ts'
import { createEvents, createNoteEvent, type Events, type NoteEvent } from './records/events.ts'
import { createGate, type Gate } from './stages/gate.ts'
import { createJournal, createProjector, type Journal } from './records/journal.ts'
import { createRegistry, type Registry } from './calls/registry.ts'
import { createFileFlow, createSessions, type FileFlow, type Sessions } from './records/sessions.ts'
import { warningOf } from './budgets/definitions.ts'
import { type Budgets, createBudgets } from './stages/budgets.ts'
import { nothing, processRight, type Provenance } from './policy/policy.ts'
import { type Cleaner, createCleaner, createKeptOutputs, type KeptOutputs } from './stages/cleaning.ts'
import { type Approvals, createApprovals } from './stages/approval-queue.ts'
import { createRunningCalls, type RunningCalls } from './stages/running-calls.ts'
import { createDocuments, type Documents } from './state/documents.ts'
import { createAgent, createRunningTurns, type RunningTurns } from './turns/agent.ts'
import { createLanes } from './turns/lanes.ts'
import type { Lanes } from './turns/lanes-interface.ts'
import { createOutcomeOf, type OpenTurn } from './turns/recovery.ts'
import { createForesee, createStartTurn, type StartTurn } from './turns/start-turn.ts'
import { createHandoffs, createProfileOf, type Handoffs, holderOf } from './policy/profiles.ts'
import { holdServices, type Services } from './hold-services.ts'
import type { Core, DiskProbe, HealthProbe, Service } from './service.ts'
import type { Store } from '../store/index.ts'
import { type CatalogQuestion, type Config, type HostPort, type TurnConfig } from '../config/index.ts'

/** What is recorded, and what is read back from it. */
interface Records {
  readonly newId: IdMaker
  readonly approvals: Approvals
  readonly sessions: Sessions
  readonly budgets: Budgets
  readonly events: Events
  readonly journal: Journal
  readonly conversations: Conversations
  readonly scratchpads: Scratchpads
  readonly blobs: Blobs
  readonly documents: Documents
  readonly secrets: Secrets
  readonly noteEvent: NoteEvent
  readonly schemas: SchemaChecker
}

/** The calls, the gate, and what makes calls of its own. */
interface Calls {
  readonly told: ToldLabels
  readonly services: Services
  readonly judges: HeldJudges
  readonly files: FileFlow
  readonly registry: Registry
  readonly cleaner: Cleaner
  readonly keptOutputs: KeptOutputs
  readonly runningTurns: RunningTurns
  readonly running: RunningCalls
  readonly gate: Gate
  readonly background: Background
  readonly summaries: Summaries
  readonly memory: Memory | undefined
  /** @param model to ask; empty: the usual one */
  readonly completeBy: (model: string) => Complete
}

interface Turns extends Pick<Core, 'neverPassedOn' | 'withheld' | 'agentWith'> {
  readonly handoffs: Handoffs
  readonly profileOf: ReturnType<typeof createProfileOf>
  readonly lanes: Lanes
  /** Turns that a crash interrupted and that are resuming. */
  readonly recovered: Map<CallId, OpenTurn>
  readonly startTurn: StartTurn
  /** The outcome of a turn that has ended; null while it is open. */
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
}

export type KernelParts = Records & Calls & Turns

/** @param resumed see `Core.resumed` */
export function assembleParts(options: KernelOptions, resumed: () => Promise<void>): KernelParts {
  const records = buildRecords(options)
  const services = holdServices(options.services, () => coreOf(options, parts, resumed()))
  const describe = async (): Promise<readonly Call[]> => {
    const [tools, { kernelCalls }, ofServices] = await Promise.all([
      options.calls(parts.memory),
      import('./turns/turn-calls.ts'),
      services.calls(),
      parts.judges.load(),
      services.coming.load(),
    ])
    return [...tools, ...kernelCalls(parts), ...ofServices]
  }
  const calls = buildCalls(options, records, services, describe)
  const turns = buildTurns(options, records, calls)
  const parts: KernelParts = { ...records, ...calls, ...turns }
  attachAfterTurns(parts)
  return parts
}

function buildRecords(options: KernelOptions): Records {
  const { user, config, store, clock, random } = options
  const approvals = createApprovals()
  const sessions = createSessions(store)
  const budgets = createBudgets(store, user, config, clock)
  const events = createEvents(store, approvals.shownIn)
  const journal = createJournal({ store, clock, project: createProjector({ sessions, budgets, carriesConversation }) })
  const conversations = createConversations({ store, sessions }, journal.flushed, clock.monotonicMs)
  const scratchpads = createScratchpads({ store, flushed: journal.flushed, changedBy: sessions.scratchpad })
  journal.attach({ observe: conversations.observe, onChanged: conversations.drop })
  journal.attach({ observe: scratchpads.observe, onChanged: scratchpads.drop })
  journal.attach({ publish: events.publish })
  const blobs: Blobs = { keep: store.putBlob, read: store.blob }
  const documents = createDocuments(store, journal.append)
  const secrets = createSecrets({
    known: options.secrets,
    keeper: options.secretKeeper ?? noKeeper(random.bytes(32)),
    documents,
    policies: config.secrets,
    vault: {
      ...createVaultReader(options.vaultFolder === 'hands' ? '' : (options.vaultFolder ?? ''), clock.monotonicMs),
      load: options.vaultFolder === 'hands' ? () => vaultThrough(options.sandbox) : undefined,
    },
  })
  journal.attach({ hide: secrets.hideInRecord })
  options.onSecrets?.((text) => secrets.hide(text))
  const newId = createIdMaker(clock, random)
  const noteEvent = createNoteEvent(journal, newId)
  budgets.onWarning((account, session) => noteEvent('budget_warning', warningOf(account), session))
  return {
    documents,
    secrets,
    noteEvent,
    schemas: lazySchemaChecker(async () => (await import('../tools/index.ts')).createSchemaChecker()),
    newId,
    approvals,
    sessions,
    budgets,
    events,
    journal,
    conversations,
    scratchpads,
    blobs,
  }
}

/** @param describe loads the descriptions of all calls, with the first one that is made */
function buildCalls(options: KernelOptions, records: Records, services: Services, describe: () => Promise<readonly Call[]>): Calls {
  const { user, config, store, engine, sandbox, clock, workspaceRoot, hostFolders = [] } = options
  const { newId, sessions, journal, events, secrets } = records
  const judges = holdJudges(services.judges)
  const runningTurns = createRunningTurns(store)
  const hides = (call: Call): boolean => judges.now().hides(call)
  const { coming, problems } = services
  const registry = createRegistry(describe, hides, coming.calls, engine.model.contextTokens, coming.loading, problems)
  const keptOutputs = createKeptOutputs(store)
  const cleaner = createCleaner({ workspaceRoot, hostFolders, secrets, keep: keptOutputs.keep })
  const running = createRunningCalls(clock, events.progress, services.keeper.ended)
  const isVersioned = options.services.find(({ files }) => files !== undefined)?.files?.keeps(config) ?? (() => false)
  const files = createFileFlow({ ...records, config, isVersioned, open: services.fileLabels })
  const gate: Gate = createGate({
    ...records,
    files,
    hooks: services.coming.hooks,
    registry,
    cleaner,
    secrets: createSecretUses(secrets),
    running,
    sandbox,
    keeper: services.keeper,
    clock,
    approval: config.approval,
    usualAgent: config.agent.name,
    flow: config.flow,
    async readBound({ branch }, ...bound) {
      const { readBound } = await import('./stages/command-inputs.ts')
      return readBound(branch === undefined ? sandbox : await services.keeper.sandbox(branch), ...bound)
    },
    judges: judges.now,
    labels: sessions,
    fillHandles: services.fill,
    attachments: runningTurns.attachments,
    cautionOf: async ({ session, turn }) => stricter(runningTurns.cautionOf(turn), await judges.now().cautionOf(session)),
  })
  const background = createBackground({ user, gate, newId })
  const completeBy = (model: string): Complete => createComplete({ gate, newId, engine, model })
  const { summary } = config.memory
  const complete = completeBy(summary.model)
  const summaries = createSummaries({ store, journal, sessions, config: summary, engine, complete })
  journal.attach({ onChanged: summaries.drop })
  const memory = options.memory?.(services.memoryHost)
  const own = { services, judges, registry, cleaner, keptOutputs, runningTurns, running, gate, background }
  return { ...own, told: services.told, summaries, memory, completeBy, files }
}

function buildTurns(options: KernelOptions, records: Records, calls: Calls): Turns {
  const { user, config, store, engine, sandbox, clock } = options
  const { newId, sessions, journal, scratchpads, documents, conversations } = records
  const { registry, gate, runningTurns, cleaner, background, memory, services } = calls
  const given = {
    scrub: cleaner.scrub,
    section: services.section,
    scratchpad: scratchpads.section,
    reminder: memory,
    rolling: rollingBy(background, config.memory.summary),
    hooks: services.coming.hooks,
    around: services.coming.around,
    follow: background.follow,
    conversationOf: createConversationOf({ ...records, summaries: calls.summaries, contextTokens: engine.model.contextTokens }),
    conversations,
    runs: services.runs,
  }
  const handoffs = createHandoffs(documents)
  const neverPassedOn = ['*', processRight, ...options.services.flatMap((service) => service.neverPassedOn ?? [])]
  const withheld = [...neverPassedOn, ...options.services.flatMap((service) => service.withheld?.(config) ?? [])]
  const profileOf = createProfileOf(documents, config, withheld, handoffs, async (name) => (await calls.judges.load()).rightsOfKey(name))
  const agentDeps = { config, engine, sandbox, registry, gate, newId, runningTurns, profileOf, ...given }
  const runTurn = createAgent(agentDeps)
  const recovered = new Map<CallId, OpenTurn>()
  const onHeldBack = (session: SessionId, turn: TurnId): void =>
    records.events.progress({
      session,
      turn,
      call: turn as string as CallId,
      name: turnCall,
      elapsed_ms: 0,
      output: `Waiting: ${config.turn.max_running} turns are running (turn.max_running).`,
    })
  const timing = { config: config.turn, turnConfig: options.turnConfig }
  const agentOf = (session: SessionId): ReturnType<Parameters<typeof createLanes>[0]['agentOf']> => ({
    // Of a session that was made for an agent, its profile has the name.
    name: handoffs.answering(session) ?? (isDerived(session) ? '' : config.agent.name),
    handoff: holderOf(handoffs.held.get(session)),
  })
  const lanes = createLanes({ user, clock, journal, sandbox, ...timing, onHeldBack, agentOf, runTurn, recovered })
  journal.attach({
    observe: lanes.observe,
    onFault: () => void lanes.stop(),
    onStale: (session) => lanes.lose(session).then(() => sessions.forget(session)),
  })
  const foresee = createForesee(memory, handoffs, config.agent.rights)
  const labelsOfFile = async (file: KeptFile): Promise<Provenance> =>
    (await (await calls.files.opened())?.sameAs(file, records.blobs)) ?? nothing
  const historyBytes = engine.model.contextTokens * maxBytesPerToken
  const startTurn = createStartTurn({ ...records, user, engine, store, lanes, gate, registry, historyBytes, foresee, labelsOfFile })
  const outcomeOf = createOutcomeOf(store)
  const agentWith: Turns['agentWith'] = (instead) => createAgent({ ...agentDeps, ...instead(agentDeps) })
  return { neverPassedOn, withheld, handoffs, profileOf, lanes, recovered, startTurn, outcomeOf, agentWith }
}

/** What happens after each turn. */
function attachAfterTurns(parts: KernelParts): void {
  const { events, memory, conversations, lanes } = parts
  conversations.sweep(lanes.isBusy)
  if (memory !== undefined) events.onTurnEnd(memory.poke)
  events.onTurnEnd(parts.services.turnEnded)
}

/** What services use. */
function coreOf(options: KernelOptions, parts: KernelParts, resumed: Promise<void>): Core {
  return {
    ...options,
    ...parts,
    resumed,
    eventKinds: options.services.flatMap(({ events = [] }) => events),
    fit: parts.cleaner.fit,
    keepFiles: async (files) => (files.length === 0 ? [] : (await import('./state/attachments.ts')).takeIn(files, parts.blobs)),
    lasting: parts.files.lasting,
    limitProgram: async (...limited) => (await import('./budgets/definitions.ts')).limitProgram(parts, options.clock.now(), ...limited),
    noteEvent: parts.noteEvent as Core['noteEvent'],
    references: parts.registry.references,
    runEnded: parts.services.keeper.runEnded,
    restored: async (of, paths) => (await parts.files.opened())?.restored(of, paths),
    definitionProblem: parts.services.definitionProblem,
    sections: options.services,
  }
}

export interface KernelOptions {
  readonly user: UserId
  readonly version: string
  readonly config: Config
  /** Absent: `config` never changes. */
  readonly turnConfig?: TurnConfig | undefined
  readonly store: Store
  /** For users: `file`, or an address without its password. */
  readonly storeName?: string
  /** This process runs in a container without network, which its runner has started. Absent: it does not. */
  readonly isolated?: boolean
  /** A warning about a store that works; empty: none. */
  readonly storeWarning?: () => string
  readonly engine: Engine
  readonly sandbox: Sandbox
  /** What the kernel offers beyond its core. */
  readonly services: readonly Service[]
  /** The calls of `tools`, to which the kernel adds its own. Requested once, with the first call. */
  readonly calls: (memory: Memory | undefined) => Promise<readonly Call[]>
  /** Makes the memory, which is closed with the kernel; absent: nothing is remembered. */
  readonly memory?: (host: MemoryHost) => Memory
  /** Empty without a workspace. */
  readonly workspaceRoot: string
  /** Folders where Oxbow is installed, to hide from models. */
  readonly hostFolders?: readonly string[]
  /** Values that must never reach a model, a log or a user, by the name that replaces them. */
  readonly secrets: ReadonlyMap<string, string>
  /** Keeps what is found in outputs; absent: it is kept until the kernel ends. */
  readonly secretKeeper?: SecretKeeper | undefined
  /** Called with what replaces secrets in texts that pass no gate, such as the log. */
  readonly onSecrets?: ((hide: (text: string) => string) => void) | undefined
  /** The folder of the person's secrets; `hands`: only hands see it; absent: no secrets are stored. */
  readonly vaultFolder?: string | undefined
  readonly clock: Clock
  readonly random: Random
  /** Folder for the versions of the workspace; absent: no versions are kept. */
  readonly versionsFolder?: string | undefined
  /** Names in /shared of the person's own folders. */
  readonly mounts?: () => readonly string[]
  /** The names that versions cover now, each with a mark of the folder that has the name: `NAME:MARK`. */
  readonly coveredFolders?: (() => readonly string[]) | undefined
  /** Makes the sandbox show the folders of the person as their list is now; absent: there is no such list. */
  readonly showFolders?: () => Promise<readonly ShownFolder[]>
  /** Whether the guest that had this workspace before ended by itself, and not because it was stopped or killed. */
  readonly crashedBefore?: boolean
  /** Absent: nothing is known of the disk. */
  readonly disk?: DiskProbe
  /** What the host finds about files, model and machine; absent: nothing. */
  readonly health?: HealthProbe
  /** The way to the host, for the configuration; absent: the host cannot be reached. */
  readonly host?: HostPort | undefined
  /** Answers what terminals ask about models; absent: nothing is known but the engine's own. */
  readonly catalog?: (question: CatalogQuestion) => AsyncIterable<object>
}

/**
 * Puts one user's kernel together, in three steps: what is recorded (`Records`), the calls and the gate that they pass (`Calls`), the
 * turns that make them (`Turns`). Each step uses only the steps before it: what a later part needs from the journal it attaches itself.
 * The one exception is the registry, which describes calls about turns, and therefore asks for them with the first call.
 */
import type { Memory } from '../memory/index.ts'
import { createSecrets, createSecretUses, createVaultReader, noKeeper, vaultThrough, type Secrets } from '../secrets/index.ts'
import {
  type Blobs,
  type Call,
  type CallId,
  type Config,
  createIdMaker,
  type HookSource,
  lazySchemaChecker,
  type KeptFile,
  once,
  type IdMaker,
  type TurnId,
  type JsonObject,
  type SchemaChecker,
  type SessionId,
} from '../types/index.ts'
import { type Background, type Complete, createBackground, createComplete, rollingBy } from './background.ts'
import type { KernelCallDeps } from './calls/kernel-calls.ts'
import { createKnownHosts } from './flow/known-hosts.ts'
import type { Flow } from './flow/open-flow.ts'
import { type KernelHooks, lazyHooks, type LoadedHooks } from './hooks/hook-port.ts'
import { type Conversations, createConversations } from './conversation/conversations.ts'
import { createScratchpads, type Scratchpads } from './conversation/scratchpads.ts'
import { createSummaries, type Summaries } from './conversation/summaries.ts'
import type { ExecLists } from './access/exec-lists.ts'
import { cautionBy } from './access/session-modes.ts'
import { createEvents, type Events } from './events.ts'
import type { KernelOptions } from './kernel-interface.ts'
import { createMemoryHost } from './memory-host.ts'
import { createGate, type Gate, type GateDeps } from './gate.ts'
import { maxBytesPerToken } from './limits.ts'
import { createJournal, createProjector, type Journal } from './journal.ts'
import { createRegistry, type HeldServers, holdServers, type Registry } from './registry.ts'
import { createFileFlow, createSessions, type FileFlow, type Sessions } from './sessions.ts'
import { warningOf } from './budgets/notices.ts'
import { type Budgets, createBudgets } from './stages/budgets.ts'
import { nothing, type Provenance } from './stages/policy.ts'
import { type Cleaner, createCleaner, createKeptOutputs, type KeptOutputs } from './stages/cleaning.ts'
import { type Approvals, createApprovals } from './stages/approval-queue.ts'
import { createRunningCalls, type RunningCalls } from './stages/running-calls.ts'
import { createEventBus, createNoteEvent, type EventBus, type NoteEvent } from './observe/event-bus.ts'
import { createResources, type Resources } from './observe/resources.ts'
import { createDocuments, type Documents } from './state/documents.ts'
import { createAgent, createRunningTurns, type RunningTurns } from './turns/agent.ts'
import type { Branches } from './branches/branches.ts'
import { createVersioning, type Versioning } from './versions/versioning.ts'
import { createLanes } from './turns/lanes.ts'
import type { Lanes } from './turns/lanes-interface.ts'
import { createOutcomeOf, type OpenTurn } from './turns/recovery.ts'
import { createForesee, createStartTurn, type StartTurn } from './turns/start-turn.ts'
import { createHandoffs, createProfileOf, type Handoffs } from './turns/profiles.ts'
import { type Core, holdServices, type Services } from './service.ts'

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
  readonly resources: Resources
  readonly schemas: SchemaChecker
}

/** The calls, the gate, and what makes calls of its own. */
interface Calls {
  readonly services: Services
  /** Loaded with the descriptions of the calls. */
  readonly execLists: () => Promise<ExecLists>
  readonly versioning: Versioning
  readonly files: FileFlow
  readonly openFlow: () => Promise<Flow>
  /** Branches of files; loaded with the first. */
  readonly branches: () => Promise<Branches>
  readonly servers: HeldServers
  readonly registry: Registry
  readonly eventBus: EventBus
  readonly cleaner: Cleaner
  readonly keptOutputs: KeptOutputs
  readonly runningTurns: RunningTurns
  readonly running: RunningCalls
  readonly gate: Gate
  readonly hooks: () => KernelHooks | undefined
  readonly background: Background
  readonly summaries: Summaries
  readonly memory: Memory | undefined
  /** @param model to ask; empty: the usual one */
  readonly completeBy: (model: string) => Complete
}

interface Turns {
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

export function assembleParts(options: KernelOptions): KernelParts {
  const records = buildRecords(options)
  const services = holdServices(options.services, () => coreOf(options, parts))
  const describe = async (): Promise<readonly Call[]> => {
    const [tools, { kernelCalls }, execLists, servers, ofServices] = await Promise.all([
      options.calls(parts.memory),
      import('./calls/kernel-calls.ts'),
      parts.execLists(),
      parts.servers.open(),
      services.calls(),
    ])
    return [...tools, ...servers, ...kernelCalls({ ...callDeps(options, parts), execLists }), ...ofServices]
  }
  const calls = buildCalls(options, records, services, describe)
  const turns = buildTurns(options, records, calls)
  const parts: KernelParts = { ...records, ...calls, ...turns }
  attachAfterTurns(options, parts)
  return parts
}

function buildRecords(options: KernelOptions): Records {
  const { user, config, store, clock, random, disk } = options
  const approvals = createApprovals()
  const sessions = createSessions(store)
  const budgets = createBudgets(store, user, config.budget, clock)
  const events = createEvents(store, approvals.shownIn)
  const journal = createJournal({ store, clock, project: createProjector({ sessions, budgets }) })
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
  const onOverload = (reasons: readonly string[]): void =>
    noteEvent(reasons.length > 0 ? 'overloaded' : 'recovered', { reasons: [...reasons] })
  budgets.onWarning((account, session) => noteEvent('budget_warning', warningOf(account), session))
  const resources = createResources({ config: config.resources, clock, disk, onOverload })
  return {
    documents,
    secrets,
    noteEvent,
    resources,
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
  let lists: ExecLists | undefined
  const execLists = once(async () => {
    const { createExecLists } = await import('./access/exec-lists.ts')
    const made = createExecLists(records.documents, config.exec)
    await made.load()
    return (lists = made)
  })
  const runningTurns = createRunningTurns(store)
  const messageOf = (turn: TurnId | ''): string | null => (turn === '' ? null : (runningTurns.find(turn)?.input.text ?? null))
  const openHooks = (source: HookSource): KernelHooks => lazyHooks(source, events, () => loadHooks(source))
  const servers = holdServers(options, { ...records, messageOf, labelsOf: (session) => sessions.held({ session }), openHooks })
  const hides = (call: Call): boolean => lists?.hides(call) === true
  const registry = createRegistry(describe, hides, servers.tools, engine.model.contextTokens, servers.loading)
  const eventBus = createEventBus(store, events.watchers, journal.flushed, registry.find, options.services)
  const keptOutputs = createKeptOutputs(store)
  const cleaner = createCleaner({ workspaceRoot, hostFolders, secrets, keep: keptOutputs.keep })
  const versioning = createVersioning({ ...options, ...records, config: config.versions, background: () => background })
  const branches = once(async () => {
    const { createBranches } = await import('./branches/branches.ts')
    return createBranches({ ...records, ...versioning, sandbox, versioning, heldLabels: sessions.held, clock })
  })
  const running = createRunningCalls(clock, events.progress, versioning.noteChange)
  const openFlow = once(async () => (await import('./flow/open-flow.ts')).openFlow({ ...options, ...records, running, files }))
  const files = createFileFlow({ ...records, config, open: openFlow })
  const loadHooks = async (source: HookSource): Promise<LoadedHooks> =>
    (await import('./hooks/kernel-hooks.ts')).createKernelHooks({
      ...records,
      source,
      user,
      gate,
      registry,
      fit: cleaner.fit,
      settings: config.model,
    })
  const gate: Gate = createGate({
    ...records,
    files,
    hooks: servers.hooks,
    registry,
    cleaner,
    secrets: createSecretUses(secrets),
    running,
    sandbox,
    branches,
    changes: versioning.changes,
    clock,
    approval: config.approval,
    ...approvalReads(config, records, sandbox, branches),
    refuseStart: async (...start) => (await execLists()).refuse(...start),
    labels: sessions,
    fillHandles: services.fill,
    attachments: runningTurns.attachments,
    cautionOf: cautionBy({ documents: records.documents, clock, topOf: records.approvals.top }, runningTurns),
  })
  const background = createBackground({ user, gate, newId })
  const completeBy = (model: string): Complete => createComplete({ gate, newId, engine, model })
  const { summary } = config.memory
  const complete = completeBy(summary.model)
  const summaries = createSummaries({ store, journal, sessions, config: summary, engine, complete })
  journal.attach({ onChanged: summaries.drop })
  const memory = options.memory?.(createMemoryHost({ user, store, journal, gate, summaries, newId }))
  const own = { services, execLists, servers, registry, cleaner, keptOutputs, runningTurns, running, gate, background, branches }
  return { ...own, hooks: servers.hooks, summaries, memory, completeBy, versioning, files, openFlow, eventBus }
}

/** What stages 4 and 5 read of hosts, rules and commands. */
function approvalReads(
  config: Config,
  { documents, sessions }: Records,
  sandbox: KernelOptions['sandbox'],
  branches: Calls['branches'],
): Pick<GateDeps, 'findRule' | 'readBound' | 'flow' | 'hosts'> {
  return {
    flow: config.flow,
    hosts: createKnownHosts({ documents, config, labels: sessions }),
    async findRule(asking, readInputs) {
      const { findRule, settingsDigest } = await import('./access/rules.ts')
      return findRule(documents, settingsDigest(config), asking, readInputs)
    },
    async readBound({ branch }, ...bound) {
      const { readBound } = await import('./access/command-inputs.ts')
      return readBound(branch === undefined ? sandbox : await (await branches()).sandbox(branch), ...bound)
    },
  }
}

function buildTurns(options: KernelOptions, records: Records, calls: Calls): Turns {
  const { user, config, store, engine, sandbox, clock } = options
  const { newId, sessions, journal, scratchpads, documents } = records
  const { registry, gate, runningTurns, cleaner, background, memory, hooks } = calls
  const given = {
    scrub: cleaner.scrub,
    sections: { skills: calls.servers.section, services: calls.services.section },
    scratchpad: scratchpads.section,
    reminder: memory,
    rolling: rollingBy(background, config.memory.summary),
    hooks,
    plugins: calls.servers.plugins,
    follow: background.follow,
    runs: calls.services.runs,
  }
  const handoffs = createHandoffs(documents)
  const profileOf = createProfileOf(documents, config, handoffs, clock)
  const runTurn = createAgent({ config, engine, sandbox, registry, gate, newId, runningTurns, profileOf, ...given })
  const recovered = new Map<CallId, OpenTurn>()
  const onHeldBack = (session: SessionId, turn: TurnId): void =>
    records.events.progress({
      session,
      turn,
      call: turn as string as CallId,
      name: 'turn.send',
      elapsed_ms: 0,
      output: `Waiting: ${config.turn.max_running} turns are running (turn.max_running).`,
    })
  const lanes = createLanes({ user, clock, journal, sandbox, config: config.turn, onHeldBack, runTurn, recovered })
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
  return { handoffs, profileOf, lanes, recovered, startTurn, outcomeOf }
}

/** What happens after each turn. */
function attachAfterTurns({ config }: KernelOptions, parts: KernelParts): void {
  const { events, memory, conversations, lanes } = parts
  const { idle_s, max_idle: maxIdle } = config.session
  conversations.sweep({ idleMs: idle_s * 1_000, maxIdle, isBusy: lanes.isBusy })
  if (memory !== undefined) events.onTurnEnd(memory.poke)
  events.onTurnEnd(parts.services.turnEnded)
}

/** What services use. */
function coreOf(options: KernelOptions, parts: KernelParts): Core {
  const { showFolders } = options
  return {
    ...options,
    ...parts,
    ...(showFolders !== undefined && { showFolders: () => parts.versioning.whileFoldersChange(showFolders) }),
    noteEvent: parts.noteEvent as Core['noteEvent'],
    references: parts.registry.references,
    runEnded: parts.versioning.runEnded,
    changedIn: parts.versioning.changedIn,
    definitionProblem: parts.services.definitionProblem,
    withOwnRoles: async (rights) => (await import('./access/roles.ts')).withOwnRoles(parts.documents, rights),
    sections: options.services.flatMap((service) => service.config ?? []),
  }
}

/** What the kernel's own calls use. */
function callDeps(options: KernelOptions, parts: KernelParts): Omit<KernelCallDeps, 'execLists'> {
  const { config } = options
  const { sessions, registry } = parts
  return {
    ...options,
    ...parts,
    runs: parts.services.runs,
    restored: async (of, paths) => (await parts.files.opened())?.restored(of, paths),
    config: config.model,
    heldLabels: sessions.held,
    moneyIsLimited: parts.budgets.limitsMoney,
    approvalConfig: config.approval,
    execConfig: config.exec,
    settings: config,
    references: registry.references,
    laneTurn: parts.runningTurns.find,
    tools: registry.tools,
    laterTools: registry.laterTools,
  }
}

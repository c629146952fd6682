/**
 * A service is a part of the kernel that the core does not know: it brings calls, and what makes them work. It is one value in its folder
 * under `src/services/` and one line in the list there. Opened when it is first needed; what it needs of others it names, and gets as ports.
 */
import type { Memory, MemoryHost } from '../memory/index.ts'
import type { SecretKeeper, Secrets } from '../secrets/index.ts'
import type { MemoryChange, Store } from '../store/index.ts'
import {
  type CallId,
  type Clock,
  type JsonObject,
  type Random,
  type SchemaChecker,
  type SessionId,
  type TurnId,
  type UserId,
} from '../base/index.ts'
import type {
  Blobs,
  Call,
  RecordView,
  DoctorCheck,
  Engine,
  Sandbox,
  ServiceVerbs,
  ShownFolder,
  ToldLabels,
  KeptFile,
  SentFile,
} from '../protocol/index.ts'
import type { CatalogQuestion, Config, ConfigSection, Definition, DefinitionKind, HostPort } from '../config/index.ts'
import type { Coming, PromptSection } from './stages/coming.ts'
import type { Kernel } from './kernel-interface.ts'
import type { Cleaner, KeptOutputs } from './stages/cleaning.ts'
import type { Judges } from './stages/judging.ts'
import type { CallReference } from './calls/call-reference.ts'
import type { Background } from './turns/background.ts'
import type { Conversations } from './conversation/conversations.ts'
import type { Scratchpads } from './conversation/scratchpads.ts'
import type { Complete, Summaries } from './conversation/summaries.ts'
import type { Events } from './records/events.ts'
import type { FillInput, Gate } from './stages/gate.ts'
import type { Entry, Journal } from './records/journal.ts'
import type { Registry } from './calls/registry.ts'
import type { FileFlow, OpenedFlow, Sessions } from './records/sessions.ts'
import type { Approvals } from './stages/approval-queue.ts'
import type { Budgets } from './stages/budgets.ts'
import type { FileChanges, FileCopies } from './stages/call-files.ts'
import type { RunningCalls } from './stages/running-calls.ts'
import type { DocumentChange, Documents } from './state/documents.ts'
import type { Agent, AgentDeps, RunningTurns } from './turns/agent.ts'
import type { Lanes, TurnPast } from './turns/lanes-interface.ts'
import type { AskRuns, ServiceRuns } from './turns/service-runs.ts'
import type { createProfileOf, Handoffs } from './policy/profiles.ts'
import type { StartTurn } from './turns/start-turn.ts'

/** What the core gives to services. They must not close any of it. */
export interface Core {
  readonly user: UserId
  readonly config: Config
  readonly store: Store
  readonly engine: Engine
  readonly sandbox: Sandbox
  readonly clock: Clock
  readonly random: Random
  /** Absent: the guest has no way to its host. */
  readonly host?: HostPort | undefined
  /** Makes the sandbox show the person's folders as their list is now; absent: there is no list. */
  readonly showFolders?: (() => Promise<readonly ShownFolder[]>) | undefined
  /** Names in /shared of the person's own folders. */
  readonly mounts?: (() => readonly string[]) | undefined
  /** The mounts that versions cover now: `NAME:MARK`. */
  readonly coveredFolders?: (() => readonly string[]) | undefined
  /** Folder for the versions of the workspace; absent: no versions are kept. */
  readonly versionsFolder?: string | undefined
  /** Absent: nothing is known of the disk. */
  readonly disk?: DiskProbe | undefined
  /** What the host finds about files, model and machine; absent: nothing. */
  readonly health?: HealthProbe | undefined
  /** Answers what terminals ask about models; absent: nothing is known but the engine's own. */
  readonly catalog?: ((question: CatalogQuestion) => AsyncIterable<object>) | undefined
  /** A warning about a store that works; absent or empty: none. */
  readonly storeWarning?: (() => string) | undefined
  readonly services: { health(): AsyncIterable<DoctorCheck>; readonly runs: AskRuns }
  /** Absent: nothing is remembered. */
  readonly memory?: Memory | undefined
  readonly newId: () => string
  readonly journal: Journal
  readonly conversations: Conversations
  readonly summaries: Summaries
  readonly scratchpads: Scratchpads
  readonly background: Background
  /** @param model to ask; empty: the usual one */
  readonly completeBy: (model: string) => Complete
  readonly documents: Documents
  /** Labels of what programs of others may have kept. */
  readonly told: ToldLabels
  readonly events: Events
  /** Notes an event for those who watch. Ids, names, counts and reasons; never what people said. */
  readonly noteEvent: (kind: string, fields: JsonObject, session?: SessionId | '') => void
  /** First words of the kinds of events that services note. */
  readonly eventKinds: readonly string[]
  readonly secrets: Secrets
  readonly gate: Gate
  readonly approvals: Approvals
  readonly running: RunningCalls
  /** What a call does that nobody can take back. */
  readonly lasting: FileFlow['lasting']
  /** What was at these paths is there again, with its labels. */
  readonly restored: OpenedFlow['restored']
  readonly registry: Registry
  readonly blobs: Blobs
  /** Keeps files of a message that begins its turn later. @throws OxbowError `limit_reached`, `bad_input`, `not_found` */
  readonly keepFiles: (files: readonly SentFile[]) => Promise<readonly KeptFile[]>
  readonly keptOutputs: Pick<KeptOutputs, 'labelsOf'>
  readonly references: () => readonly CallReference[]
  readonly sessions: Sessions
  readonly budgets: Budgets
  readonly schemas: SchemaChecker
  readonly lanes: Lanes
  readonly startTurn: StartTurn
  /** Turns that a crash interrupted and that are resuming, by the call of their message. */
  readonly recovered: ReadonlyMap<CallId, TurnPast & { readonly session: SessionId }>
  /** Rights that nobody passes on: what they allow runs as somebody else. */
  readonly neverPassedOn: readonly string[]
  /** Those, and what `agents.withheld_rights` keeps from agents of agents. */
  readonly withheld: readonly string[]
  /** See `createProfileOf`. */
  readonly profileOf: ReturnType<typeof createProfileOf>
  /** A run that is no turn makes no more calls. */
  readonly runEnded: (run: TurnId) => void
  readonly handoffs: Handoffs
  readonly runningTurns: RunningTurns
  /** Runs turns as the agent does, with other parts instead of its own: its turns need no lane, and what they ask for goes to that gate. */
  readonly agentWith: (instead: (usual: AgentDeps) => Partial<AgentDeps>) => Agent
  /** @returns what is wrong with a definition, as the service says to which its kind belongs; empty: nothing */
  readonly definitionProblem: (definition: Definition) => Promise<string>
  /** The outcome of a turn that has ended; null while it is open. */
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
  /** Limits what a program or plugin may use in a day, in addition to all budgets above it. @param scope the actor of its calls */
  readonly limitProgram: (
    of: Parameters<Documents['change']>[0],
    scope: `program:${string}` | `plugin:${string}`,
    limits: { readonly tokens?: number; readonly micro_dollars?: number } | null,
  ) => Promise<void>
  /** Keeps secrets that are found or set; absent: they are known until the kernel ends. */
  readonly secretKeeper?: SecretKeeper | undefined
  /** Makes a result fit for a model. */
  readonly fit: Cleaner['fit']
  /** Resolves when the turns that a crash interrupted go on. */
  readonly resumed: Promise<void>
  /** What services add to `config.toml`. */
  readonly sections: readonly Pick<Service, 'name' | 'config' | 'undoes'>[]
}

/**
 * What a service says of itself. All of it is data or loads on demand: the list is part of each start, of the guest and of the terminal.
 * `Port`: what others get of it, and its own calls. `Needs`: services whose ports it uses; they may not need it in turn.
 */
export interface Service<Port = unknown, Needs extends Needed = Needed> {
  /** As people read it in `oxbow status`: `schedules`. */
  readonly name: string
  readonly needs?: Needs
  /** Its sections of `config.toml`, and keys that it adds to another's; see `ConfigSection`. */
  readonly config?: readonly ConfigSection[]
  /** What of its sections cannot be used although their schema holds; a guest starts without it. Empty: nothing. */
  configFault?(config: Config): Promise<string>
  /** Kinds of documents: where one is there, the service is opened at the start and recovers. */
  readonly wakes?: readonly string[]
  /** Whether an earlier guest has left it something that no document names: then it is opened at the start, too. */
  left?(core: Core): boolean
  /** First words of the kinds of events that it notes: `counter` for `counter_full`. What others publish under such a name is chosen by `custom_…` only. */
  readonly events?: readonly string[]
  /** Rights that the configuration keeps agents from passing on. */
  withheld?(config: Config): readonly string[]
  /** Rights of its calls that nobody passes on, to agents, plugins or what is published: what they allow runs as somebody else. */
  readonly neverPassedOn?: readonly string[]
  /** What people type. */
  readonly verbs?: ServiceVerbs
  /**
   * Describes its calls. They run only when the service can be opened; where it needs nothing open, it has no `open`.
   * @param core where calls are only described, for documentation, it has nothing but `config`
   */
  calls?(core: Core, self: () => Promise<Port>, ports: PortsOf<Needs>): Promise<readonly Call[]>
  /** Called with the first use, and again after it has failed. */
  open?(core: Core, ports: PortsOf<Needs>): Promise<Opened<Port>>
  /** A section of the system prompt of an agent; loaded with the first prompt. */
  section?(core: Core, self: () => Promise<Port>): Promise<PromptSection | undefined>
  /** What `oxbow doctor` says of it in a guest that runs. */
  health?(core: Core, self: () => Promise<Port>): AsyncIterable<DoctorCheck>
  /** Puts texts in the place of what an input refers to, before the gate judges the call; see `FillInput`. */
  fill?(core: Core, self: () => Promise<Port>): FillInput
  /** Hears the outcome of each turn that has ended; loaded with the first. What it throws is lost. */
  turnEnded?(core: Core): Promise<(record: RecordView) => void>
  /** What comes and goes. Loaded with the descriptions of calls. */
  coming?(core: Core, self: () => Promise<Port>, ports: PortsOf<Needs>): Promise<Coming | undefined>
  /** Called with the start, before anything is recorded; loads nothing. @returns a function that ends what it has begun */
  begin?(core: Core, self: () => Promise<Port>, ports: PortsOf<Needs>): () => Promise<void>
  /** What memory asks of the kernel: to erase what was derived from what it forgets, and vectors. Loaded with the first of them. */
  memoryHost?(core: Core): Promise<MemoryHost>
  /**
   * What it decides for the gate. Loaded with the descriptions of calls; while that fails, no call passes about which it would decide.
   * `decides`: which of the decisions.
   */
  readonly judges?: {
    readonly decides: readonly (keyof Judges)[]
    load(core: Core, self: () => Promise<Port>): Promise<Partial<Judges>>
  }
  /** Labels of files, and the rules of `[flow]`: loaded with the first of either. Where that fails, no call that is concerned passes. */
  fileLabels?(core: Core, self: () => Promise<Port>): Promise<OpenedFlow>
  /** What `Core.told` keeps: loaded with the first program that is told something. Where that fails, none is told anything. */
  told?(core: Core): Promise<ToldLabels>
  /** @returns the kernel as a program with an API key sees it, by its key; see `Kernel.withKey` */
  keyed?(core: Core, owner: Kernel, ports: PortsOf<Needs>): Promise<Kernel['withKey']>
  /** What the core asks about runs that it has started; see `ServiceRuns`. */
  runs?(core: Core, self: () => Promise<Port>): Promise<ServiceRuns>
  /** Keeps what calls change, and makes copies of the workspace; one service does. */
  readonly files?: {
    /** @returns whether it keeps what is at a path of the workspace; what is elsewhere is not missed. Loads nothing */
    keeps(config: Config): (path: string) => boolean
    /** Rights of calls that change other things it keeps, such as saved documents. */
    readonly rights: readonly string[]
    /** Asked with the first call that changes something; none changes anything while this fails. @returns null: nothing is kept here */
    changes(core: Core, self: () => Promise<Port>): Promise<FileChanges | null>
    copies(core: Core, self: () => Promise<Port>): Promise<FileCopies>
  }
  /** How what it keeps is put back when a turn is undone. Loaded with the first undo. */
  undoes?(core: Core): Promise<UndoPart>
  /** Kinds of definitions in files that are its own. @returns what is wrong with one; empty: nothing */
  readonly definitions?: { readonly [Kind in DefinitionKind]?: (definition: Definition) => Promise<string> }
}

type Needed = Readonly<Record<string, Service>>
type PortOf<Of> = Of extends Service<infer Port> ? Port : never
type PortsOf<Needs> = { readonly [Name in keyof Needs]: () => Promise<PortOf<Needs[Name]>> }

/** What a service puts back when a turn is undone, together with the files and with what the others put back; see docs/decisions. */
export interface UndoPart {
  /** First fields of what calls note of themselves for it: only such records may be its. */
  readonly noted: readonly string[]
  /** Finds what was done, and how each of it is put back. Changes nothing. @param records of the turn, or of an undo, oldest first */
  plan(records: readonly UndoRecord[]): Promise<readonly UndoChange[]>
  /** While this runs, nobody else changes what `plan` reads. */
  alone?<Result>(work: () => Promise<Result>): Promise<Result>
  /** Called when its changes are committed. */
  done?(changes: readonly UndoChange[]): void
}

/** An outcome or an exchange of a call of the turn. */
export interface UndoRecord extends Pick<RecordView, 'seq' | 'name' | 'phase' | 'session'> {
  readonly call: CallId
  readonly body: JsonObject
}

/** One thing that a turn has changed. All changes of an undo are committed together. */
export interface UndoChange {
  /** As people name it: `/schedules/Morning report`. */
  readonly path: string
  /** What the undo does with it. */
  readonly change: 'added' | 'changed' | 'deleted'
  /** The calls that made it what it is: an undo takes them back. */
  readonly calls: readonly CallId[]
  /** What it is now, and what it becomes, for a preview; empty: nothing. */
  readonly now: string
  readonly restored: string
  /** What is in the way; absent: nothing. `final`: overwriting does not help. */
  readonly conflict?: { readonly why: string; readonly final: boolean }
  readonly documents?: readonly DocumentChange[]
  readonly memory?: readonly MemoryChange[]
  readonly entries?: readonly Entry[]
  /** What `plan` reads of the record of the undo, to undo that: under each name a list of what all changes give. */
  readonly before?: JsonObject
}

/** A service that is open. */
export interface Opened<Port> {
  readonly port: Port
  /** Goes on with what a crash or a stop left; called once, before anybody has the port. */
  recover?(): Promise<void>
  /** Stops beginning anything at once, and resolves when what runs has ended. */
  close?(): Promise<void>
  /** Frees what running calls use; called when the last has ended. */
  release?(): Promise<void>
}

/** What only the host of the kernel can see, since the kernel opens no files. */
export interface DiskProbe {
  /** Of the file system of the workspace; null where it cannot be read. */
  space(): Promise<{ readonly totalBytes: number; readonly freeBytes: number } | null>
  /** Open files of this process; 0 where they cannot be counted. */
  openFiles(): number
}

/** `guest`: this process and its files, at once; `model`: whether its service answers, seconds; `machine`: tries every sandbox, up to a minute. */
export const healthParts = ['guest', 'model', 'machine'] as const
export type HealthPart = (typeof healthParts)[number]

/** What the host of the kernel finds. Never throws. */
export type HealthProbe = (part: HealthPart) => AsyncIterable<DoctorCheck>

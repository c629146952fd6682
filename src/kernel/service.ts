/**
 * A service is a part of the kernel that the core does not know: it brings calls, and what makes them work. It is one value in its folder
 * under `src/services/` and one line in the list there. Opened when it is first needed; what it needs of others it names, and gets as ports.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Memory } from '../memory/index.ts'
import type { Secrets } from '../secrets/index.ts'
import type { Store } from '../store/index.ts'
import {
  type Call,
  type CallId,
  type RecordView,
  type CatalogQuestion,
  type Clock,
  type Config,
  type ConfigSection,
  type Definition,
  type DefinitionKind,
  type DoctorCheck,
  type Engine,
  type HostPort,
  type JsonObject,
  once,
  type Once,
  OxbowError,
  ownValue,
  type Random,
  type Sandbox,
  type SchemaChecker,
  type ServiceProblem,
  type ServiceVerb,
  type SessionId,
  type ShownFolder,
  type TurnId,
  type UserId,
} from '../types/index.ts'
import type { Branches } from './branches/branches.ts'
import type { CallReference } from './call-reference.ts'
import type { Background, Complete } from './background.ts'
import type { Conversations } from './conversation/conversations.ts'
import type { Scratchpads } from './conversation/scratchpads.ts'
import type { Summaries } from './conversation/summaries.ts'
import type { Events } from './events.ts'
import type { Flow } from './flow/open-flow.ts'
import type { FillInput, Gate } from './gate.ts'
import type { Journal } from './journal.ts'
import type { EventBus } from './observe/event-bus.ts'
import type { HealthProbe, Resources } from './observe/resources.ts'
import type { Registry, SectionAgent } from './registry.ts'
import type { Sessions } from './sessions.ts'
import type { Approvals } from './stages/approval-queue.ts'
import type { Budgets } from './stages/budgets.ts'
import type { RunningCalls } from './stages/running-calls.ts'
import type { Documents } from './state/documents.ts'
import type { RunningTurns } from './turns/agent.ts'
import type { Lanes, TurnPast } from './turns/lanes-interface.ts'
import type { ServiceRuns } from './turns/service-runs.ts'
import type { createProfileOf, Handoffs } from './turns/profiles.ts'
import type { StartTurn } from './turns/start-turn.ts'
import type { Versioning } from './versions/versioning.ts'

/** What the core gives to services. None of it is theirs to close. */
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
  /** What the host finds about files, model and machine; absent: nothing. */
  readonly health?: HealthProbe | undefined
  /** Answers what terminals ask about models; absent: nothing is known but the engine's own. */
  readonly catalog?: ((question: CatalogQuestion) => AsyncIterable<object>) | undefined
  /** A warning about a store that works; absent or empty: none. */
  readonly storeWarning?: (() => string) | undefined
  readonly services: Pick<Services, 'health'>
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
  readonly events: Events
  /** Notes an event for those who watch. Ids, names, counts and reasons; never what people said. */
  readonly noteEvent: (kind: string, fields: JsonObject, session?: SessionId | '') => void
  readonly eventBus: EventBus
  readonly secrets: Secrets
  readonly gate: Gate
  readonly approvals: Approvals
  readonly running: RunningCalls
  readonly openFlow: () => Promise<Flow>
  readonly registry: Pick<Registry, 'find'>
  readonly references: () => readonly CallReference[]
  readonly sessions: Sessions
  readonly budgets: Budgets
  readonly resources: Resources
  readonly schemas: SchemaChecker
  readonly lanes: Lanes
  readonly startTurn: StartTurn
  /** Turns that a crash interrupted and that are resuming, by the call of their message. */
  readonly recovered: ReadonlyMap<CallId, TurnPast>
  /** See `createProfileOf`. */
  readonly profileOf: ReturnType<typeof createProfileOf>
  /** A run that is no turn makes no more calls. */
  readonly runEnded: (run: TurnId) => void
  readonly handoffs: Handoffs
  readonly runningTurns: RunningTurns
  readonly branches: () => Promise<Branches>
  /** See `Versioning`. */
  readonly changedIn: Versioning['changedIn']
  /** See `withOwnRoles`. */
  readonly withOwnRoles: (rights: readonly string[]) => Promise<readonly string[]>
  /** @returns what is wrong with a definition, as the service says to which its kind belongs; empty: nothing */
  readonly definitionProblem: (definition: Definition) => Promise<string>
  /** The outcome of a turn that has ended; null while it is open. */
  readonly outcomeOf: (turn: TurnId) => Promise<JsonObject | null>
  /** What services add to `config.toml`. */
  readonly sections: readonly ConfigSection[]
}

/**
 * What a service says of itself. All of it is data or loads on demand: the list is part of each start, of the guest and of the terminal.
 * `Port`: what others get of it, and its own calls. `Needs`: services whose ports it uses; they may not need it in turn.
 */
export interface Service<Port = unknown, Needs extends Needed = Needed> {
  /** As people read it in `oxbow status`: `schedules`. */
  readonly name: string
  readonly needs?: Needs
  /** Its section of `config.toml`; see `sectionOf`. */
  readonly config?: ConfigSection
  /** Kinds of documents: where one is there, the service is opened at the start and recovers. */
  readonly wakes?: readonly string[]
  /** First words of the kinds of events that it notes: `counter` for `counter_full`. What others publish under such a name is chosen by `custom_…` only. */
  readonly events?: readonly string[]
  /** What people type. */
  readonly verbs?: readonly ServiceVerb[]
  /**
   * Describes its calls. They run only when the service can be opened; where it needs nothing open, it has no `open`.
   * @param core where calls are only described, for documentation, it has nothing but `config`
   */
  calls?(core: Core, self: () => Promise<Port>, ports: PortsOf<Needs>): Promise<readonly Call[]>
  /** Called with the first use, and again after it has failed. */
  open?(core: Core, ports: PortsOf<Needs>): Promise<Opened<Port>>
  /** A section of the system prompt of an agent; empty: there is nothing to say. */
  section?(core: Core, self: () => Promise<Port>): (agent: SectionAgent) => Promise<string>
  /** What `oxbow doctor` says of it in a guest that runs. */
  health?(core: Core, self: () => Promise<Port>): AsyncIterable<DoctorCheck>
  /** Puts texts in the place of what an input refers to, before the gate judges the call; see `FillInput`. */
  fill?(core: Core, self: () => Promise<Port>): FillInput
  /** Hears the outcome of each turn that has ended; loaded with the first. What it throws is lost. */
  turnEnded?(core: Core): Promise<(record: RecordView) => void>
  /** What the core asks about runs that it has started; see `ServiceRuns`. */
  runs?(core: Core, self: () => Promise<Port>): Promise<ServiceRuns>
  /** Kinds of definitions in files that are its own. @returns what is wrong with one; empty: nothing */
  readonly definitions?: { readonly [Kind in DefinitionKind]?: (definition: Definition) => Promise<string> }
}

type Needed = Readonly<Record<string, Service>>
type Ports = Readonly<Record<string, () => Promise<unknown>>>
type PortOf<Of> = Of extends Service<infer Port> ? Port : never
type PortsOf<Needs> = { readonly [Name in keyof Needs]: () => Promise<PortOf<Needs[Name]>> }

/** A service that is open. */
interface Opened<Port> {
  readonly port: Port
  /** Goes on with what a crash or a stop left; called once, before anybody has the port. */
  recover?(): Promise<void>
  /** Stops beginning anything at once, and resolves when what runs has ended. */
  close?(): void | Promise<void>
}

/** @returns the settings of a service. The configuration was checked with its section */
export function sectionOf<Settings>({ name }: ConfigSection<Settings>, config: Config): Settings {
  return ownValue(config as unknown as Readonly<Record<string, Settings>>, name)!
}

/** The services of a guest, as its core holds them. */
export interface Services {
  /** Describes the calls of all; opens none. */
  calls(): Promise<readonly Call[]>
  /** Opens those that have something to go on with. Never rejects: what fails is among the problems. */
  recover(): Promise<void>
  readonly fill: FillInput
  /** Tells all that a turn has ended. */
  turnEnded(record: RecordView): void
  /** What they say of their runs. */
  runs(): Promise<readonly ServiceRuns[]>
  readonly definitionProblem: Core['definitionProblem']
  /** The sections of the system prompt, one behind the other. */
  section(agent: SectionAgent): Promise<string>
  problems(): readonly ServiceProblem[]
  health(): AsyncIterable<DoctorCheck>
  close(): Promise<void>
}

/** How long a service may take to open. */
const openMs = 30_000

/**
 * @param core asked for with the first use, which may come before the core is whole
 * @throws Error which prints the circle, if services need each other
 */
export function holdServices(list: readonly Service[], core: () => Core): Services {
  refuseCircles(list)
  const problems = new Map<string, string>()
  const opened = new Map<Service, Once<Opened<unknown>>>()
  const open = (of: Service): Promise<Opened<unknown>> => {
    let opening = opened.get(of)
    if (opening === undefined) opened.set(of, (opening = once(async () => openWhole(of, core(), portsOf(of), problems))))
    return opening()
  }
  const port = (of: Service) => async (): Promise<unknown> => (await open(of)).port
  const portsOf = ({ needs = {} }: Service): Ports =>
    Object.fromEntries(Object.entries(needs).map(([name, needed]) => [name, port(needed)]))
  const sections = list.flatMap((of) => (of.section === undefined ? [] : [once(async () => of.section!(core(), port(of)))]))
  const fills = list.flatMap((of) => (of.fill === undefined ? [] : [once(async () => of.fill!(core(), port(of)))]))
  const hearers = list.flatMap((of) => (of.turnEnded === undefined ? [] : [once(async () => of.turnEnded!(core()))]))
  return {
    turnEnded(record) {
      for (const load of hearers)
        void load()
          .then((hear) => hear(record))
          .catch(() => {})
    },
    calls: async () => (await Promise.all(list.map(async (of) => of.calls?.(core(), port(of), portsOf(of)) ?? []))).flat(),
    async recover() {
      for (const of of list) {
        const found = await Promise.all((of.wakes ?? []).map(async (category) => (await core().documents.list(category, 1)).length > 0))
        if (!found.includes(true)) continue
        await open(of).catch(() => {})
      }
    },
    async fill(caller, input) {
      let filled: Awaited<ReturnType<FillInput>> = { caller, input }
      for (const load of fills) filled = await (await load())(filled.caller, filled.input)
      return filled
    },
    runs: once(async () => Promise.all(list.flatMap((of) => of.runs?.(core(), port(of)) ?? []))),
    async definitionProblem(definition) {
      const owner = list.find(({ definitions }) => definitions?.[definition.kind] !== undefined)
      return (await owner?.definitions?.[definition.kind]?.(definition)) ?? ''
    },
    async section(agent) {
      const texts = await Promise.all(sections.map(async (load) => (await load())(agent)))
      return texts.filter((text) => text !== '').join('\n\n')
    },
    problems: () => [...problems].map(([name, problem]) => ({ name, problem })),
    async *health() {
      for (const [name, problem] of problems)
        yield { name: `service ${name}`, state: 'missing', says: `does not work: ${problem}`, fix: 'oxbow restart', required: false, ms: 0 }
      for (const of of list) if (!problems.has(of.name) && of.health !== undefined) yield* of.health(core(), port(of))
    },
    async close() {
      const made = [...opened.values()].toReversed().map(async (opening) => (await opening.made()?.catch(() => null))?.close?.())
      await Promise.all(made)
    },
  }
}

/** @throws OxbowError as `openInTime`; what cannot be gone on with is among the problems */
async function openWhole(of: Service, core: Core, ports: Ports, problems: Map<string, string>): Promise<Opened<unknown>> {
  const opened = await openInTime(of, core, ports, problems)
  await opened.recover?.().catch((error: unknown) => void problems.set(of.name, messageOf(error)))
  return opened
}

/** @throws OxbowError `internal_failure`, which names the service; it is among the problems until it opens after all */
async function openInTime(of: Service, core: Core, ports: Ports, problems: Map<string, string>): Promise<Opened<unknown>> {
  const tooLong = new AbortController()
  const late = delay(openMs, null, { signal: tooLong.signal, ref: false }).catch(() => null)
  try {
    const made = await Promise.race([of.open?.(core, ports) ?? { port: null }, late])
    if (made === null) throw new Error(`it has not opened within ${openMs / 1_000} seconds`)
    problems.delete(of.name)
    return made
  } catch (error) {
    const message = messageOf(error)
    problems.set(of.name, message)
    throw new OxbowError('internal_failure', `The service ${of.name} does not work: ${message}`, {
      hint: 'The rest of Oxbow does. `oxbow doctor` says more; `oxbow restart` tries it again.',
    })
  } finally {
    tooLong.abort()
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function refuseCircles(list: readonly Service[]): void {
  const done = new Set<Service>()
  const visit = (of: Service, trail: readonly Service[]): void => {
    const at = trail.indexOf(of)
    if (at >= 0) throw new Error(`services need each other: ${[...trail.slice(at), of].map(({ name }) => name).join(' → ')}`)
    if (done.has(of)) return
    for (const needed of Object.values(of.needs ?? {})) visit(needed, [...trail, of])
    done.add(of)
  }
  for (const of of list) visit(of, [])
}

/** @returns the calls of services where none of them can run, for documentation and help */
export async function describedServiceCalls(list: readonly Service[], config: Config): Promise<readonly Call[]> {
  return holdServices(list, () => ({ config }) as Core).calls()
}

/** Holds the services of a guest: opens each with its first use, joins what they bring, and names those that do not work. */
import { type Failure, once, OxbowError } from '../base/index.ts'
import type { Config } from '../config/index.ts'
import type { Call, DoctorCheck, RecordView, ServiceProblem, ToldLabels } from '../protocol/index.ts'
import type { MemoryHost } from '../memory/index.ts'
import { type HeldComing, holdComing } from './stages/coming.ts'
import type { FilledInput, FillInput } from './stages/gate.ts'
import type { Kernel } from './kernel-interface.ts'
import type { SectionAgent } from './calls/registry.ts'
import type { OpenedFlow } from './records/sessions.ts'
import { type Asked, askServices, holdSections, inTime, type OpenServices, openServices } from './ask-services.ts'
import type { Core, Service } from './service.ts'
import { type FileChanges, type FileKeeper, holdFiles } from './stages/call-files.ts'
import { serviceFailure } from './policy/policy.ts'
import { closed, closedOnFailure, type Judges } from './stages/judging.ts'
import { guardRuns, type ServiceRuns } from './turns/service-runs.ts'

/** The services of a guest, as its core holds them. */
export interface Services {
  /** Describes the calls of all; opens none. */
  calls(): Promise<readonly Call[]>
  /** What comes and goes; nothing before it is loaded. */
  readonly coming: HeldComing
  /** Lets those begin that wait for no call. */
  begin(): void
  /** Opens those that have something to go on with; waits for none that takes long. Never rejects: what fails is among the problems. */
  recover(): Promise<void>
  readonly fill: FillInput
  readonly keeper: FileKeeper
  /** Tells all that a turn has ended. */
  turnEnded(record: RecordView): void
  /** What they decide for the gate. */
  judges(): Promise<readonly Partial<Judges>[]>
  /** @throws OxbowError where no service keeps labels of files */
  fileLabels(): Promise<OpenedFlow>
  readonly told: ToldLabels
  /** @throws OxbowError `unauthenticated` where no service knows keys */
  keyed(owner: Kernel): Promise<Kernel['withKey']>
  readonly memoryHost: MemoryHost
  /** What they say of their runs. */
  runs(): Promise<readonly ServiceRuns[]>
  readonly definitionProblem: Core['definitionProblem']
  /** The sections of the system prompt, one behind the other. */
  section(agent: SectionAgent): Promise<string>
  problems(): readonly ServiceProblem[]
  health(): AsyncIterable<DoctorCheck>
  close(): Promise<void>
  /** Frees what running calls use; call when the last has ended. */
  release(): Promise<void>
}

/** How long the start waits for services that go on with what was left. */
const startMs = 5_000

/**
 * @param core asked for with the first use, which may come before the core is whole
 * @param patienceMs see `askServices`
 * @throws Error which prints the circle, if services need each other
 */
export function holdServices(list: readonly Service[], core: () => Core, patienceMs?: number): Services {
  refuseCircles(list)
  const asked = askServices(patienceMs)
  const { ask, tryAsk } = asked
  const opened = openServices(core, asked)
  const { open, port, portsOf } = opened
  const ofEach = async <Part>(part: string, work: (of: Service) => Promise<Part | undefined> | undefined): Promise<readonly Part[]> => {
    const all = await Promise.all(list.map(async (of) => tryAsk(of, part, async () => work(of))))
    return all.filter((each) => each !== undefined)
  }
  const coming = holdComing(async () => ofEach('coming', (of) => of.coming?.(core(), port(of), portsOf(of))))
  const keeping = list.find(({ files }) => files !== undefined)
  const begun: (() => Promise<void>)[] = []
  return {
    keeper: holdFiles(keeping?.files && filesOf(keeping, core, opened, asked)),
    turnEnded: hearTurns(list, core, asked),
    calls: async () => (await ofEach('calls', describeBy(core, opened))).flat(),
    coming,
    begin() {
      for (const of of list)
        try {
          begun.push(of.begin?.(core(), port(of), portsOf(of)) ?? nothing)
        } catch (error) {
          asked.failed(of, 'begin', error)
        }
    },
    async recover() {
      const goOn = async (of: Service): Promise<void> => {
        if ((await tryAsk(of, 'left', async () => hasLeft(of, core()))) === true) await open(of).catch(() => {})
      }
      await inTime(() => Promise.all(list.map(goOn)), startMs).catch(() => {})
    },
    fill: fillBy(list, core, opened, asked),
    judges: async () => Promise.all(list.flatMap((of) => (of.judges === undefined ? [] : [judgesOf(of, of.judges, core, opened, asked)]))),
    fileLabels: async () =>
      labelsOf(
        list.find(({ fileLabels }) => fileLabels !== undefined),
        core,
        opened,
        asked,
      ),
    told: toldBy(
      list.find(({ told }) => told !== undefined),
      core,
      asked,
    ),
    async keyed(owner) {
      const of = list.find(({ keyed }) => keyed !== undefined)
      return of === undefined ? refuseKeys : ask(of, 'keyed', () => of.keyed!(core(), owner, portsOf(of)))
    },
    memoryHost: memoryHostOf(list, core, asked),
    runs: once(async () => (await Promise.all(list.map((of) => runsOf(of, core, opened, asked)))).flat()),
    definitionProblem: problemsBy(list, asked),
    section: holdSections(async () =>
      ofEach('section', async (of) => {
        const section = await of.section?.(core(), port(of))
        return section && ((agent) => tryAsk(of, 'section', () => section(agent)))
      }),
    ),
    problems: asked.problems,
    health: () => healthOf(list, asked, (of) => tryAsk(of, 'health', async () => collect(of.health!(core(), port(of))))),
    // What one of them throws keeps no other from ending.
    close: async () => void (await Promise.allSettled([...begun.map(async (end) => end()), opened.close()])),
    release: opened.release,
  }
}

const nothing = async (): Promise<void> => {}

/** Those that do not work, and what the others say of themselves. */
async function* healthOf(
  list: readonly Service[],
  { problems }: Asked,
  ask: (of: Service) => Promise<readonly DoctorCheck[] | undefined>,
): AsyncGenerator<DoctorCheck> {
  const told = new Set(problems().map(({ name }) => name))
  for (const { name, problem } of problems()) yield doesNotWork(name, problem)
  for (const of of list)
    if (!told.has(of.name) && of.health !== undefined)
      yield* (await ask(of)) ?? [doesNotWork(of.name, problems().find(({ name }) => name === of.name)?.problem ?? '')]
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function doesNotWork(name: string, problem: string): DoctorCheck {
  return { name: `service ${name}`, state: 'missing', says: `does not work: ${problem}`, fix: 'oxbow restart', required: false, ms: 0 }
}

/** Whether an earlier guest has left it something to go on with. */
async function hasLeft(of: Service, core: Core): Promise<boolean> {
  const found = await Promise.all((of.wakes ?? []).map(async (category) => (await core.documents.list(category, 1)).length > 0))
  return found.includes(true) || of.left?.(core) === true
}

/** Two calls must not share a name: the first service keeps it, and the second is reported. */
function describeBy(core: () => Core, { port, portsOf }: OpenServices): (of: Service) => Promise<readonly Call[] | undefined> {
  const owners = new Map<string, Service>()
  return async (of) => {
    const calls = await of.calls?.(core(), port(of), portsOf(of))
    for (const { name } of calls ?? []) {
      const owner = owners.get(name) ?? of
      if (owner !== of) throw new Error(`${owner.name} has a call of the same name as its own, ${name}`)
      owners.set(name, of)
    }
    return calls
  }
}

function problemsBy(list: readonly Service[], { ask }: Asked): Core['definitionProblem'] {
  return async (definition) => {
    const owner = list.find(({ definitions }) => definitions?.[definition.kind] !== undefined)
    if (owner === undefined) return ''
    const problem = (): Promise<string> => owner.definitions![definition.kind]!(definition)
    return ask(owner, 'definitions', problem).catch(({ message }: OxbowError) => message)
  }
}

/** Tells each that listens, from the first turn on. */
function hearTurns(list: readonly Service[], core: () => Core, { failed }: Asked): Services['turnEnded'] {
  const hearers = list.flatMap((of) => (of.turnEnded === undefined ? [] : [{ of, load: once(async () => of.turnEnded!(core())) }]))
  return (record) => {
    for (const { of, load } of hearers)
      load()
        .then((hear) => hear(record))
        .catch((error: unknown) => void failed(of, 'turnEnded', error))
  }
}

function fillBy(list: readonly Service[], core: () => Core, { port }: OpenServices, { ask }: Asked): FillInput {
  const fills = list.flatMap((of) => (of.fill === undefined ? [] : [{ of, load: once(async () => of.fill!(core(), port(of))) }]))
  return async (caller, input) => {
    let filled: FilledInput | Failure = { caller, input }
    for (const { of, load } of fills) {
      const before: FilledInput = filled
      const fill = async (): Promise<FilledInput | Failure> => (await load())(before.caller, before.input)
      filled = await ask(of, 'fill', fill).catch((error: unknown) => serviceFailure(error))
      if ('code' in filled) break
    }
    return filled
  }
}

/** What a service decides; where it cannot, the calls that it would decide about are refused, and say which service it is. */
async function judgesOf(
  of: Service,
  judges: NonNullable<Service['judges']>,
  core: () => Core,
  { port }: OpenServices,
  { ask, failed }: Asked,
): Promise<Partial<Judges>> {
  try {
    const loaded = await ask(of, 'judges', async () => {
      const made = await judges.load(core(), port(of))
      const missing = judges.decides.filter((name) => made[name] === undefined)
      if (missing.length > 0) throw new Error(`it does not decide what it says that it decides: ${missing.join(', ')}`)
      return made
    })
    return closedOnFailure(
      loaded,
      (work) => ask(of, 'judge', work),
      (error) => failed(of, 'judge', error),
    )
  } catch (error) {
    return closed(judges.decides, serviceFailure(error))
  }
}

/** @throws OxbowError which says which service does not work; for each call that is concerned */
async function labelsOf(of: Service | undefined, core: () => Core, { port }: OpenServices, { ask }: Asked): Promise<OpenedFlow> {
  if (of === undefined) throw noLabels
  const flow = await ask(of, 'fileLabels', () => of.fileLabels!(core(), port(of)))
  return { ...flow, judge: (...asked) => ask(of, 'fileLabels', () => flow.judge(...asked)) }
}

function toldBy(of: Service | undefined, core: () => Core, { ask }: Asked): ToldLabels {
  const load = once(async () => {
    if (of === undefined) throw noLabels
    return ask(of, 'told', () => of.told!(core()))
  })
  return {
    of: async (program) => (await load()).of(program),
    tell: async (...told) => (await load()).tell(...told),
    newHosts: async (...hosts) => (await load()).newHosts(...hosts),
    clear: async (program) => (await load()).clear(program),
    list: async () => (await load()).list(),
  }
}

async function runsOf(of: Service, core: () => Core, { port }: OpenServices, { ask }: Asked): Promise<readonly ServiceRuns[]> {
  if (of.runs === undefined) return []
  try {
    return [guardRuns(await ask(of, 'runs', () => of.runs!(core(), port(of))), (work) => ask(of, 'runs', work))]
  } catch (error) {
    return [guardRuns({ goesOn: neverSaid, started: neverSaid }, () => Promise.reject(error))]
  }
}

const neverSaid = (): Promise<never> => Promise.reject(new Error('nothing is known of its runs'))

/** @returns what the service that keeps files says of them, as the core asks for it */
function filesOf(of: Service, core: () => Core, { port, isOpen }: OpenServices, { ask }: Asked): Parameters<typeof holdFiles>[0] {
  const files = of.files!
  const changes = async (): Promise<FileChanges | null> => ask(of, 'files', () => files.changes(core(), port(of)))
  return {
    rights: files.rights,
    changes,
    copies: async () => ask(of, 'files', () => files.copies(core(), port(of))),
    opened: async () => ((await isOpen(of)) ? changes() : null),
  }
}

const noLabels = new OxbowError('internal_failure', 'Labels of files are not kept here.', { hint: 'Leave private data out.' })

function memoryHostOf(list: readonly Service[], core: () => Core, { ask }: Asked): MemoryHost {
  const of = list.find(({ memoryHost }) => memoryHost !== undefined)
  const host = once(async () => (of === undefined ? Promise.reject(noMemory) : ask(of, 'memoryHost', () => of.memoryHost!(core()))))
  return {
    erase: async (...asked) => (await host()).erase(...asked),
    eraseDerived: async (gone) => (await host()).eraseDerived(gone),
    embed: async (...asked) => (await host()).embed(...asked),
  }
}

const noMemory = new OxbowError('internal_failure', 'No service works for memory here.', { hint: 'Run `oxbow doctor`: it says why.' })

const refuseKeys: Kernel['withKey'] = async () => {
  throw new OxbowError('unauthenticated', 'No API key is known here.', { hint: 'Use the token of the guest.' })
}

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

/** @returns the calls of services, to describe and not to run, for documentation and help, and which services cannot describe their calls */
export async function describedServiceCalls(
  list: readonly Service[],
  config: Config,
): Promise<{ readonly calls: readonly Call[]; readonly problems: readonly ServiceProblem[] }> {
  const held = holdServices(list, () => ({ config }) as Core)
  return { calls: await held.calls(), problems: held.problems() }
}

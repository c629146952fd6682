/** Holds the services of a guest: opens each with its first use, joins what they bring, and names those that do not work. */
import { setTimeout as delay } from 'node:timers/promises'
import { once, type Once, OxbowError } from '../base/index.ts'
import type { Call, DoctorCheck, RecordView, ServiceProblem } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import type { MemoryHost } from '../memory/index.ts'
import type { Coming, HeldComing } from './stages/coming.ts'
import type { FillInput } from './stages/gate.ts'
import type { Kernel } from './kernel-interface.ts'
import type { SectionAgent } from './calls/registry.ts'
import type { OpenedFlow } from './records/sessions.ts'
import type { Core, Opened, Service } from './service.ts'
import { type FileChanges, type FileKeeper, holdFiles } from './stages/call-files.ts'
import type { Judges } from './stages/judging.ts'
import type { ServiceRuns } from './turns/service-runs.ts'

/** The services of a guest, as its core holds them. */
export interface Services {
  /** Describes the calls of all; opens none. */
  calls(): Promise<readonly Call[]>
  /** What comes and goes; nothing before it is loaded. */
  readonly coming: HeldComing
  /** Lets those begin that wait for no call. */
  begin(): void
  /** Opens those that have something to go on with. Never rejects: what fails is among the problems. */
  recover(): Promise<void>
  readonly fill: FillInput
  readonly keeper: FileKeeper
  /** Tells all that a turn has ended. */
  turnEnded(record: RecordView): void
  /** What they decide for the gate. */
  judges(): Promise<readonly Partial<Judges>[]>
  /** @throws OxbowError where no service keeps labels of files */
  fileLabels(): Promise<OpenedFlow>
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

/** How long a service may take to open. */
const openMs = 30_000

/**
 * @param core asked for with the first use, which may come before the core is whole
 * @throws Error which prints the circle, if services need each other
 */
export function holdServices(list: readonly Service[], core: () => Core): Services {
  refuseCircles(list)
  const problems = new Map<string, string>()
  const { open, port, portsOf, openNow, closeAll, isOpen } = openEach(core, problems)
  /** What cannot be had of one service is missing; the rest lives. */
  const guarded = async <Part>(of: Service, ask: () => Promise<Part> | Part): Promise<Part | undefined> => {
    try {
      return await ask()
    } catch (error) {
      return void problems.set(of.name, messageOf(error))
    }
  }
  const ofEach = async <Part>(ask: (of: Service) => Promise<Part | undefined> | undefined): Promise<readonly Part[]> => {
    const asked = await Promise.all(list.map(async (of) => guarded(of, async () => ask(of))))
    return asked.filter((each) => each !== undefined)
  }
  const sections = once(async () =>
    ofEach(async (of) => {
      const section = await of.section?.(core(), port(of))
      return section && ((agent: SectionAgent) => guarded(of, () => section(agent)))
    }),
  )
  const coming = holdComing(async () => ofEach((of) => of.coming?.(core(), port(of), portsOf(of))))
  const fills = list.flatMap((of) => (of.fill === undefined ? [] : [once(async () => of.fill!(core(), port(of)))]))
  const hearers = list.flatMap((of) => (of.turnEnded === undefined ? [] : [once(async () => of.turnEnded!(core()))]))
  const keeping = list.find(({ files }) => files !== undefined)
  const knowsKeys = list.find(({ keyed }) => keyed !== undefined)
  const begun: (() => Promise<void>)[] = []
  return {
    keeper: holdFiles(keeping?.files && filesOf(keeping.files, core, port(keeping), () => isOpen(keeping))),
    turnEnded(record) {
      for (const load of hearers)
        load()
          .then((hear) => hear(record))
          .catch(ignored)
    },
    calls: async () => (await ofEach((of) => of.calls?.(core(), port(of), portsOf(of)))).flat(),
    coming,
    begin() {
      for (const of of list) void guarded(of, () => void begun.push(of.begin?.(core(), port(of), portsOf(of)) ?? nothing))
    },
    async recover() {
      for (const of of list) if ((await guarded(of, async () => hasLeft(of, core()))) === true) await open(of).catch(() => {})
    },
    async fill(caller, input) {
      let filled: Awaited<ReturnType<FillInput>> = { caller, input }
      for (const load of fills) filled = await (await load())(filled.caller, filled.input)
      return filled
    },
    judges: async () => Promise.all(list.flatMap((of) => of.judges?.(core(), port(of)) ?? [])),
    fileLabels: async () => list.find(hasLabels)?.fileLabels?.(core(), port(list.find(hasLabels)!)) ?? Promise.reject(noLabels),
    keyed: async (owner) => (await knowsKeys?.keyed?.(core(), owner, portsOf(knowsKeys))) ?? refuseKeys,
    memoryHost: memoryHostOf(list, core),
    runs: once(async () => Promise.all(list.flatMap((of) => of.runs?.(core(), port(of)) ?? []))),
    async definitionProblem(definition) {
      const owner = list.find(({ definitions }) => definitions?.[definition.kind] !== undefined)
      return (await owner?.definitions?.[definition.kind]?.(definition)) ?? ''
    },
    async section(agent) {
      const texts = await Promise.all((await sections()).map(async (section) => section(agent)))
      return texts.filter((text) => text !== undefined && text !== '').join('\n\n')
    },
    problems: () => [...problems].map(([name, problem]) => ({ name, problem })),
    health: () => healthOf(list, problems, (of) => guarded(of, async () => collect(of.health!(core(), port(of))))),
    // What one of them throws keeps no other from ending.
    close: async () => void (await Promise.allSettled([...begun.map(async (end) => end()), closeAll()])),
    release: async () => void (await Promise.allSettled(openNow().map(async (each) => each.release?.()))),
  }
}

const nothing = async (): Promise<void> => {}
const ignored = (): void => {}

/** Those that do not work, and what the others say of themselves. */
async function* healthOf(
  list: readonly Service[],
  problems: ReadonlyMap<string, string>,
  ask: (of: Service) => Promise<readonly DoctorCheck[] | undefined>,
): AsyncGenerator<DoctorCheck> {
  const told = new Set(problems.keys())
  for (const [name, problem] of problems) yield doesNotWork(name, problem)
  for (const of of list)
    if (!told.has(of.name) && of.health !== undefined) yield* (await ask(of)) ?? [doesNotWork(of.name, problems.get(of.name) ?? '')]
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

type AnyPorts = Readonly<Record<string, () => Promise<unknown>>>

/** Opens each service once, with its first use, and what it needs with that. */
function openEach(core: () => Core, problems: Map<string, string>) {
  const opened = new Map<Service, Once<Opened<unknown>>>()
  /** Each behind what it needs. */
  const whole: Opened<unknown>[] = []
  /** What was opened last is to stop first, and before what it needs. */
  const openNow = (): readonly Opened<unknown>[] => whole.toReversed()
  const openOne = async (of: Service): Promise<Opened<unknown>> => {
    const made = await openWhole(of, core(), portsOf(of), problems)
    whole.push(made)
    return made
  }
  const open = (of: Service): Promise<Opened<unknown>> => {
    let opening = opened.get(of)
    if (opening === undefined) opened.set(of, (opening = once(async () => openOne(of))))
    return opening()
  }
  const port = (of: Service) => async (): Promise<unknown> => (await open(of)).port
  const portsOf = ({ needs = {} }: Service): AnyPorts =>
    Object.fromEntries(Object.entries(needs).map(([name, needed]) => [name, port(needed)]))
  return {
    open,
    port,
    portsOf,
    isOpen: async (of: Service): Promise<boolean> =>
      ((await opened
        .get(of)
        ?.made()
        ?.catch(() => null)) ?? null) !== null,
    openNow,
    /** Stops those that are open, at once, and those that are opening. */
    async closeAll(): Promise<void> {
      const first = openNow()
      await Promise.all(first.map(async (each) => each.close?.()))
      await Promise.all([...opened.values()].map(async (opening) => opening.made()?.catch(() => null)))
      await Promise.all(openNow().map(async (each) => first.includes(each) || each.close?.()))
    },
  }
}

/** @returns what one service says of files, as the core asks for it */
function filesOf<Port>(
  files: NonNullable<Service<Port>['files']>,
  core: () => Core,
  self: () => Promise<Port>,
  isOpen: () => Promise<boolean>,
): Parameters<typeof holdFiles>[0] {
  const changes = async (): Promise<FileChanges | null> => files.changes(core(), self)
  return {
    rights: files.rights,
    changes,
    copies: async () => files.copies(core(), self),
    opened: async () => ((await isOpen()) ? changes() : null),
  }
}

const hasLabels = ({ fileLabels }: Service): boolean => fileLabels !== undefined
const noLabels = new OxbowError('internal_failure', 'Labels of files are not kept here.', { hint: 'Leave private data out.' })

function memoryHostOf(list: readonly Service[], core: () => Core): MemoryHost {
  const host = once(async () => list.find(({ memoryHost }) => memoryHost !== undefined)?.memoryHost?.(core()) ?? Promise.reject(noMemory))
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

/** @throws OxbowError as `openInTime`; what cannot be gone on with is among the problems */
async function openWhole(of: Service, core: Core, ports: AnyPorts, problems: Map<string, string>): Promise<Opened<unknown>> {
  const opened = await openInTime(of, core, ports, problems)
  await opened.recover?.().catch((error: unknown) => void problems.set(of.name, messageOf(error)))
  return opened
}

/** @throws OxbowError `internal_failure`, which names the service; it is among the problems until it opens after all */
async function openInTime(of: Service, core: Core, ports: AnyPorts, problems: Map<string, string>): Promise<Opened<unknown>> {
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

/** @returns the services' calls where no call can run, for documentation and help */
export async function describedServiceCalls(list: readonly Service[], config: Config): Promise<readonly Call[]> {
  return holdServices(list, () => ({ config }) as Core).calls()
}

/** Empty before it is loaded. */
function holdComing(load: () => Promise<readonly Coming[]>): HeldComing {
  let all: readonly Coming[] = []
  let parts: readonly (readonly Call[])[] = []
  let calls: readonly Call[] = []
  const first = <Found>(ask: (coming: Coming) => Found | null | undefined): Found | null => {
    for (const each of all) {
      const found = ask(each) ?? null
      if (found !== null) return found
    }
    return null
  }
  return {
    load: once(async () => void (all = await load())),
    calls() {
      const now = all.map((each) => each.calls())
      if (now.length !== parts.length || now.some((each, place) => each !== parts[place])) {
        parts = now
        calls = now.flat()
      }
      return calls
    },
    loading: () => first((each) => each.loading?.()),
    hooks: () => first((each) => each.hooks?.()) ?? undefined,
    around: () => first((each) => each.around?.()),
  }
}

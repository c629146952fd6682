/**
 * Programs of others as services: servers of tools, remote agents, skills, plugins. Such a source offers calls that come and go, along with
 * the calls with which a person manages it. Opened with the first call, and closed when the last has ended.
 */
import type { Core, Documents, SectionAgent, Service } from '../../kernel/index.ts'
import type { SchemaChecker, SessionId, TurnId } from '../../base/index.ts'
import type { Call, Caller, DoctorCheck, Provenance, ToldLabels } from '../../protocol/index.ts'

export interface Source {
  /** By which a person manages it. */
  readonly calls: readonly Call[]
  /** Calls that come and go; the same array until something changes. Absent: no such calls. */
  readonly tools?: () => readonly Call[]
  /** A section of the system prompt of an agent; empty: there is nothing to say. Absent: always. */
  readonly section?: (agent: SectionAgent) => Promise<string>
  /** What `oxbow doctor` says of it; starts nothing. Absent: nothing. */
  readonly health?: () => Promise<Pick<DoctorCheck, 'state' | 'says' | 'fix'>>
  close(): Promise<void>
}

/** Secrets of the guest, as programs of others use them. */
interface SourceSecrets {
  get(name: string): string | undefined
  set(name: string, value: string | null): Promise<void>
  hide(name: string, value: string): void
  /** @returns the text with every secret that it has replaced by a handle */
  conceal(text: string): string
}

/** What the kernel gives to programs of others. */
export interface ProgramHost {
  readonly documents: Documents
  readonly secrets: SourceSecrets
  /** Checks their schemas and values. */
  readonly schemas: SchemaChecker
  /** Limits what a program or plugin may use in a day, in addition to all budgets above it. @param scope the actor of its calls */
  readonly limit: Core['limitProgram']
  /** The message of a turn that runs; null for any other turn. */
  messageOf(turn: TurnId | ''): string | null
  /** Labels of what a session has read, and of what its call has besides. */
  heldBy(caller: Pick<Caller, 'session' | 'scope'>): Provenance
  /** Labels of what a session was given, such as its messages. */
  givenTo(session: SessionId | ''): Provenance
  /** Labels of what programs may have kept. */
  readonly told: ToldLabels
  readonly noteEvent: Core['noteEvent']
}

export type OpenSource<Opened extends Source = Source> = (host: ProgramHost) => Promise<Opened>

/** @param name as people read it in `oxbow status` */
export function sourceService<Opened extends Source>(name: string, open: OpenSource<Opened>): Service<Opened> {
  return {
    name,
    calls: async (_core, self) => (await self()).calls,
    async coming(_core, self) {
      const { tools } = await self()
      return tools === undefined ? undefined : { calls: tools }
    },
    section: async (_core, self) => (await self()).section,
    async *health(_core, self) {
      const found = await (await self()).health?.()
      if (found !== undefined) yield { name, required: false, ms: 0, ...found }
    },
    async open(core) {
      const source = await open(programHost(core))
      return { port: source, release: () => source.close() }
    },
  }
}

function programHost(core: Core): ProgramHost {
  const { documents, told, schemas, noteEvent, sessions, runningTurns, secrets, secretKeeper } = core
  return {
    documents,
    schemas,
    noteEvent,
    secrets: {
      get: secrets.valueOf,
      hide: (name, value) => secrets.add(name, value, 'configured'),
      conceal: secrets.hide,
      // Without a keeper, what is set is known until the kernel ends.
      async set(name, value) {
        if (value === null) secrets.remove(name)
        else secrets.add(name, value, 'configured')
        await (value === null ? secretKeeper?.remove(name) : secretKeeper?.keep(name, value))
      },
    },
    limit: core.limitProgram,
    messageOf: (turn) => (turn === '' ? null : (runningTurns.find(turn)?.input.text ?? null)),
    told,
    heldBy: (caller) => ({ labels: sessions.held(caller), from: sessions.origins(caller) }),
    givenTo(session) {
      if (session === '') return { labels: [], from: [] }
      const { given, from } = sessions.history(session)
      return { labels: given, from: from.filter(({ label }) => given.includes(label)) }
    },
  }
}

/**
 * What is remembered of a run. Its document says which program it is of, by whom it was begun with which rights, and how it ended; how far
 * a script is stands in the journal: each call that it has made, by its place, and what that returned. After a kill the script begins again
 * and is given what is on record, so a document for each call would say nothing more.
 */
import { createHash } from 'node:crypto'
import { type DocumentChange, type Documents, type Journal, replay, type ServiceRuns } from '../../kernel/index.ts'
import {
  type CallId,
  derivedId,
  type Failure,
  isObject,
  type Json,
  type JsonObject,
  type SessionId,
  type TurnId,
} from '../../base/index.ts'
import type { CallOutcome, JournalRecord, Labels, Limits } from '../../protocol/index.ts'

/** @returns whether a result says that the program has not done what it was for: it has a field `ok`, which is false */
export function saysNo(result: Json): boolean {
  return isObject(result) && result['ok'] === false
}

export type ProgramStatus = 'running' | 'success' | 'failed' | 'cancelled'

export interface ProgramRun {
  /** Follows from the call that began it. */
  readonly id: TurnId
  readonly program: string
  readonly version: string
  /** Of the files with which it began: it goes on by them, whatever becomes of the program. */
  readonly hash: string
  /** Its calls are made in this session, which has the labels of all that they have read. */
  readonly session: SessionId
  /** Session and actor that began it; empty: a person outside of any session. */
  readonly home: SessionId | ''
  readonly starter: string
  /** The run of a program that runs it; empty: none does. */
  readonly parent: TurnId | ''
  /** 1: no program runs it. */
  readonly depth: number
  /** Of whoever began it, as far as the manifest asks for them. */
  readonly rights: readonly string[]
  readonly labels: Labels
  readonly input: JsonObject
  readonly status: ProgramStatus
  readonly failure: Failure | null
  readonly result: Json
  /** What the script printed, its end. */
  readonly printed: string
  readonly created_at: number
  readonly ended_at: number | null
  readonly deadline: number | null
  readonly budget?: Limits | undefined
}

/** The files of a program, as long as a run has them. */
export interface KeptProgram {
  readonly name: string
  readonly toml: string
  readonly text: string
  readonly script?: string | undefined
  readonly module?: string | undefined
}

export const programCategory = 'system/program_runs'
export const programVersions = 'system/program_versions'
/** Programs that a person has switched off, by name. */
export const programSwitches = 'system/program_switches'
export const programSchedules = 'system/program_schedules'

/** What a person has said of a program. */
export interface ProgramSwitch {
  readonly enabled: boolean
}

/** @returns what a person has said of each program, by its name */
export async function readSwitches(documents: Pick<Documents, 'all'>): Promise<ReadonlyMap<string, ProgramSwitch>> {
  return new Map((await documents.all<ProgramSwitch>(programSwitches)).map(({ name, value }) => [name, value]))
}

/**
 * Whether agents see it as a tool, and its schedules start it. One that comes with Oxbow does neither until a person has switched it on.
 * @param said undefined: a person has said nothing
 */
export const isActive = (said: ProgramSwitch | undefined, place: 'own' | 'installed' | 'bundled' | undefined): boolean =>
  said?.enabled ?? place !== 'bundled'

export const runOf = (call: CallId): TurnId => derivedId('program run', call) as TurnId
export const sessionOfRun = (run: TurnId): SessionId => derivedId('program session', run) as SessionId
/** The name of the call at a place of a script. */
export const placeOf = (run: TurnId, n: number): CallId => `${run}.${n}` as CallId

export const runChange = (run: ProgramRun): DocumentChange => ({ category: programCategory, name: run.id, value: run })

/** What the core asks about runs; see `Service`. */
export function runsIn(documents: Pick<Documents, 'all' | 'get'>): ServiceRuns {
  return {
    goesOn: async (run) => (await documents.get<ProgramRun>(programCategory, run))?.value.status === 'running',
    sessionOf: sessionOfRun,
    async started() {
      const all = (await documents.all<ProgramRun>(programCategory)).map(({ name }) => name)
      return (_run, calls) => {
        const begun: ReadonlySet<string> = new Set([...calls].map((call) => runOf(call as CallId)))
        return { runs: all.filter((run) => begun.has(run)) }
      }
    },
  }
}

/** A call that a script has made. */
export interface PastCall {
  readonly name: string
  /** Of its input, with handles in the place of secrets. */
  readonly digest: string
  /** Null: it has not ended. */
  readonly outcome: CallOutcome | null
}

/** What is noted of a call before it is made. */
export const askedBody = (digest: string): JsonObject => ({ asked: digest })

export function digestOf(input: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(input) ?? '')
    .digest('hex')
}

/** Records read at once. */
const pageRecords = 5_000

/** @returns the calls of a run on record, by their places */
export async function readPast(
  { store, flushed }: Pick<Journal, 'store' | 'flushed'>,
  { id, session }: ProgramRun,
): Promise<Map<number, PastCall>> {
  await flushed()
  const past = new Map<number, PastCall>()
  for (let after = 0; ;) {
    const phases = ['exchange', 'outcome', 'refused', 'reconciled'] as const
    const page = await store.records({ session, after, phases, order: 'oldest_first', limit: pageRecords, hydrate: true })
    for (const record of page) if (record.call.startsWith(`${id}.`)) take(past, Number(record.call.slice(id.length + 1)), record)
    if (page.length < pageRecords) return past
    after = page.at(-1)!.seq
  }
}

function take(past: Map<number, PastCall>, n: number, record: JournalRecord): void {
  const known = past.get(n)
  if (record.phase !== 'exchange') {
    if (known !== undefined && known.outcome === null) past.set(n, { ...known, outcome: replay(record) })
    return
  }
  if (known !== undefined) return
  const { asked } = JSON.parse(record.body) as { readonly asked?: unknown }
  if (typeof asked === 'string') past.set(n, { name: record.name, digest: asked, outcome: null })
}

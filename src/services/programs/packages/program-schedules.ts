/**
 * `[[schedule]]` of programs that are active: each is a run of `src/runs/` that goes on at its due times and starts the program, as the person
 * would. Which there are follows from the manifests: it is compared when programs change, and at each due time.
 */
import { type Core, type DocumentChange, userCaller } from '../../../kernel/index.ts'
import { type Cadence, type HeldRuns, nextDue, type RunsPort } from '../../../runs/index.ts'
import { type CallId, derivedId, isOxbowError, type JsonObject } from '../../../base/index.ts'
import type { Agents } from '../../agents/service.ts'
import { type Manifest, parsePackage } from '../program-package.ts'
import { isActive, programSchedules, readSwitches } from '../program-record.ts'
import type { ProgramBy } from '../program-runs.ts'

interface KeptSchedule {
  readonly program: string
  readonly name: string
  readonly cadence: Cadence
  readonly input: JsonObject
  /** When it was found; intervals count from it. */
  readonly from: number
  /** Null: never again. */
  readonly next_at: number | null
}

export interface ProgramSchedules {
  load(): Promise<void>
  /** Takes up what manifests say now. */
  refresh(): Promise<void>
}

interface ScheduleDeps extends Pick<Core, 'user' | 'clock' | 'documents' | 'newId' | 'noteEvent'> {
  readonly runs: RunsPort
  readonly agents: Pick<Agents, 'definitions'>
  readonly isRunning: (program: string) => Promise<boolean>
  readonly run: (by: ProgramBy, program: string, input: JsonObject, signal: AbortSignal) => Promise<unknown>
}

const idOf = (program: string, schedule: string): string => derivedId('call', program, schedule)

export function createProgramSchedules(deps: ScheduleDeps): ProgramSchedules {
  const { clock, documents } = deps
  const byClock = () => ({ caller: userCaller(deps.user, '', ''), call: deps.newId() as CallId, name: 'program.schedule' })
  const held: HeldRuns<KeptSchedule> = deps.runs.hold<KeptSchedule>({
    name: 'program_schedules',
    category: programSchedules,
    dueAt: ({ next_at: next }) => next,
    async goOn({ id, state, signal }) {
      const due = state.next_at
      if (due === null || due > clock.now()) return due ?? undefined
      const wanted = (await wantedSchedules(deps)).get(id)
      if (wanted === undefined) return await held.put(byClock(), [{ category: programSchedules, name: id, value: null }])
      // One run at a time: what falls due meanwhile is left out.
      const isRunning = await deps.isRunning(state.program)
      // The same due time begins the same run, also when a crash hid that it had begun.
      const by = { caller: userCaller(deps.user, '', ''), call: derivedId('call', id, due) as CallId }
      const failure = isRunning ? 'limit_reached' : await failureOf(deps.run(by, state.program, state.input, signal))
      signal.throwIfAborted()
      if (failure !== '') deps.noteEvent('program_not_started', { program: state.program, schedule: state.name, failure }, '')
      // Times that have passed meanwhile, with no guest running, are one.
      const next_at = await nextDue(state.cadence, clock.now(), state.from)
      await held.put(byClock(), [{ category: programSchedules, name: id, value: { ...state, next_at } satisfies KeptSchedule }])
    },
  })
  const refresh = async (): Promise<void> => {
    const wanted = await wantedSchedules(deps)
    const known = new Map((await documents.all<KeptSchedule>(programSchedules)).map(({ name, value }) => [name, value]))
    const changes: DocumentChange[] = [...known.keys()]
      .filter((id) => !wanted.has(id))
      .map((name) => ({ category: programSchedules, name, value: null }))
    for (const [id, { program, name, cadence, input }] of wanted) {
      const old = known.get(id)
      if (old !== undefined && JSON.stringify([old.cadence, old.input]) === JSON.stringify([cadence, input])) continue
      const from = clock.now()
      const value: KeptSchedule = { program, name, cadence, input, from, next_at: await nextDue(cadence, from, from) }
      changes.push({ category: programSchedules, name: id, value })
    }
    if (changes.length > 0) await held.put(byClock(), changes)
  }
  return {
    refresh,
    async load() {
      await held.load()
      // Without the host the schedules that are known stay.
      await refresh().catch((error: unknown) => console.error(error))
    },
  }
}

/** @returns the code of the error; empty: it has not failed */
async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return ''
  } catch (error) {
    return isOxbowError(error) ? error.code : 'internal_failure'
  }
}

type Wanted = Pick<KeptSchedule, 'program' | 'name' | 'cadence' | 'input'>

async function wantedSchedules({ agents, documents }: Pick<ScheduleDeps, 'agents' | 'documents'>): Promise<ReadonlyMap<string, Wanted>> {
  const [all, said] = await Promise.all([agents.definitions.list('programs'), readSwitches(documents)])
  const found = new Map<string, Wanted>()
  for (const each of all) {
    if (each.problem !== '' || !each.toml.includes('schedule') || !isActive(said.get(each.name), each.place)) continue
    const { program } = await parsePackage(each)
    for (const schedule of program?.manifest.schedule ?? [])
      found.set(idOf(each.name, schedule.name), {
        program: each.name,
        name: schedule.name,
        cadence: cadenceOf(schedule),
        input: schedule.input,
      })
  }
  return found
}

function cadenceOf({ cron, every_s: everyS, time_zone }: Manifest['schedule'][number]): Cadence {
  return cron === undefined ? { type: 'interval', every_s: everyS! } : { type: 'cron', expression: cron, time_zone }
}

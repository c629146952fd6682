/**
 * Runs that services start: turns in sessions of their own, or work that is no turn and makes calls as one does, such as a graph. The core
 * asks about them: which go on after a restart, what belongs to a turn that is undone or to a branch of files, and what a turn by a profile
 * waits for.
 */
import type { SessionId, TurnId } from '../../base/index.ts'

/** What a service says of the runs that it starts. It is opened only where that is said. */
export interface ServiceRuns {
  /** Whether a run that is no turn goes on after a restart: calls of it that a crash interrupted are made again, and not closed. */
  goesOn?(run: TurnId): Promise<boolean>
  /** The session of a run that is no turn. */
  sessionOf?(run: TurnId): SessionId
  /** Reads which runs there are. */
  started?(): Promise<FindStarted>
  /** Whether a session was made for a run that another session has started, or a run below that one. Opens the service. */
  isBelow?(session: SessionId, above: SessionId): Promise<boolean>
  /** Asked before each turn of a session that a run was made for. Opens the service. */
  watch?(session: SessionId): Promise<RunWatch>
}

/** Finds the runs that a turn, or a run, has started by its calls. */
type FindStarted = (run: string, calls: ReadonlySet<string>) => StartedRuns

interface StartedRuns {
  readonly runs: readonly string[]
  /** Whether a turn that has versions is one of them too. */
  readonly includes?: (turn: string, session: string) => boolean
}

interface RunWatch {
  /** What a turn waits for before its next step; null: nothing. */
  readonly pause: () => Promise<void> | null
  /** A turn begins or ends to wait for a person. */
  readonly onWait: (isWaiting: boolean) => void
}

/**
 * A service that cannot say anything of its runs: what a crash interrupted in one stays as it is, what an undo of a turn would take back
 * with it says so, and no turn waits for it.
 * @param ask rejects in time, with an error that names the service
 */
export function guardRuns(
  { goesOn, sessionOf, started, isBelow: below, watch }: ServiceRuns,
  ask: <Said>(work: () => Promise<Said>) => Promise<Said>,
): ServiceRuns {
  return {
    ...(goesOn && { goesOn: (run) => ask(() => goesOn(run)).catch(() => true) }),
    ...(sessionOf && { sessionOf }),
    ...(started && { started: () => ask(started) }),
    ...(below && { isBelow: (...sessions) => ask(() => below(...sessions)).catch(() => false) }),
    ...(watch && { watch: (session) => ask(() => watch(session)).catch(() => unwatched) }),
  }
}

const unwatched: RunWatch = { pause: () => null, onWait: () => {} }

/** Asks all services. */
export type AskRuns = () => Promise<readonly ServiceRuns[]>

/** @returns the runs that go on after a restart */
export async function goingOn(services: AskRuns, runs: readonly TurnId[]): Promise<ReadonlySet<string>> {
  if (runs.length === 0) return new Set()
  const all = await services()
  const goes = async (run: TurnId): Promise<boolean> =>
    (await Promise.all(all.map(async (each) => each.goesOn?.(run) ?? false))).includes(true)
  return new Set((await Promise.all(runs.map(async (run) => ((await goes(run)) ? [run] : [])))).flat())
}

/** @returns the sessions that a run which is no turn may have: one for each service, since its id does not say whose it is */
export function sessionsOfRun(all: readonly ServiceRuns[], run: string): readonly SessionId[] {
  return all.flatMap(({ sessionOf }) => sessionOf?.(run as TurnId) ?? [])
}

export async function readStarted(services: AskRuns): Promise<readonly FindStarted[]> {
  const asked = (await services()).flatMap(({ started }) => started ?? [])
  return Promise.all(asked.map((started) => started()))
}

export async function isBelow(services: AskRuns, session: SessionId, above: SessionId): Promise<boolean> {
  for (const each of await services()) if ((await each.isBelow?.(session, above)) === true) return true
  return false
}

/** @returns one watch for all services that watch the session */
export async function watchRun(services: AskRuns, session: SessionId): Promise<RunWatch> {
  const watching = (await services()).flatMap(({ watch }) => watch ?? [])
  const watches = await Promise.all(watching.map((watch) => watch(session)))
  return {
    pause: () => watches.map((each) => each.pause()).find((each) => each !== null) ?? null,
    onWait: (isWaiting) => watches.forEach((each) => each.onWait(isWaiting)),
  }
}

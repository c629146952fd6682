/**
 * Runs that services start: turns of their own, or work that is no turn and makes calls as one does, such as a graph. The core asks about
 * them where it goes on after a restart, and where it undoes a turn with all that the turn has started. No service is opened for that.
 */
import type { SessionId, TurnId } from '../../types/index.ts'

/** What a service says of the runs that it starts. */
export interface ServiceRuns {
  /** Whether a run that is no turn goes on after a restart: calls of it that a crash interrupted are made again, and not closed. */
  goesOn?(run: TurnId): Promise<boolean>
  /** The session of a run that is no turn. */
  sessionOf?(run: TurnId): SessionId
  /** Reads which runs there are. @returns a function that finds those that a turn, or a run, has started by its calls */
  started(): Promise<(run: string, calls: ReadonlySet<string>) => StartedRuns>
}

interface StartedRuns {
  readonly runs: readonly string[]
  /** Those that count only where there are versions of them: runs, and sessions with all their turns. */
  readonly changing?: { readonly runs: ReadonlySet<string>; readonly sessions: ReadonlySet<string> }
}

/** @returns those of the runs that go on after a restart */
export async function goingOn(
  services: () => Promise<readonly Pick<ServiceRuns, 'goesOn'>[]>,
  runs: readonly TurnId[],
): Promise<ReadonlySet<string>> {
  if (runs.length === 0) return new Set()
  const all = await services()
  const goes = async (run: TurnId): Promise<boolean> =>
    (await Promise.all(all.map(async (each) => each.goesOn?.(run) ?? false))).includes(true)
  return new Set((await Promise.all(runs.map(async (run) => ((await goes(run)) ? [run] : [])))).flat())
}

/** @returns the session of a run that is no turn, as far as a service knows; empty: none does */
export function sessionOfRun(all: readonly ServiceRuns[], run: string): SessionId | '' {
  for (const { sessionOf } of all) if (sessionOf !== undefined) return sessionOf(run as TurnId)
  return ''
}

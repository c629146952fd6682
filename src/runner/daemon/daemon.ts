/**
 * The daemon: one runner for the host. It keeps a guest for each user that is to run, and answers on the control sockets. It holds nothing
 * that a crash could lose: who is to run is in files, guests end with it, and the next daemon starts them again.
 */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { isSame, livingNote, noteOf, writeNote } from '../process-note.ts'
import { type LogLevel, OxbowError } from '../../base/index.ts'
import { type Note, openNotes } from '../../logs/index.ts'
import { asOwner } from '../file-owner.ts'
import { hostFiles, makeFolder, type HostEnv } from '../home.ts'
import type { DaemonMode, DaemonPlace } from './daemon-place.ts'
import { type HostEvents, openHostEvents } from './host-events.ts'
import { createUserKeeper, type KeeperDeps, type UserKeeper } from './user-keeper.ts'
import { openSettings, type SettingsOfUsers } from './user-settings.ts'

export interface Daemon {
  readonly mode: DaemonMode
  readonly since: number
  /** Each is a line of its log, too. */
  readonly events: HostEvents
  /** Folder of its log. */
  readonly logs: string
  /** Writes a line of its log. */
  readonly note: Note
  readonly settings: SettingsOfUsers
  /** What is wrong with it, for people. */
  readonly problems: string[]
  /** @returns the keeper of a user. @throws OxbowError `bad_input`, `not_found` */
  keeper(user: string): UserKeeper
  /** Users that exist. */
  users(): readonly string[]
  /** Forgets one that was removed. */
  forget(user: string): void
  /** Starts who is to run. */
  begin(): void
  /** Stops all guests; they are to run again with the next daemon. */
  close(): Promise<void>
}

/** What differs between the modes. */
export interface DaemonHost {
  users(): readonly string[]
  /** @throws OxbowError `bad_input`, `not_found` for one that does not exist */
  assertUser(user: string): void
  begin(user: string, ...how: Parameters<KeeperDeps['begin']>): ReturnType<KeeperDeps['begin']>
}

export function createDaemon({ mode, runner }: DaemonPlace, host: DaemonHost, now: () => number): Daemon {
  const logs = join(runner, 'logs')
  hostFiles(() => makeFolder(logs))
  const note = openNotes(logs, 'daemon')
  const events = openHostEvents(runner, now, ({ kind, user, text }) =>
    note(levels.get(kind) ?? 'info', kind.replaceAll('_', ' '), { user, text }),
  )
  const settings = openSettings(runner)
  const keepers = new Map<string, UserKeeper>()
  const place = createPlaces(availableParallelism())
  const keeper = (user: string): UserKeeper => {
    const found = keepers.get(user)
    if (found !== undefined) return found
    host.assertUser(user)
    const made = createUserKeeper({ user, begin: (...how) => host.begin(user, ...how), place, settings, events, now })
    keepers.set(user, made)
    return made
  }
  const problems: string[] = []
  return {
    mode,
    since: now(),
    events,
    logs,
    note,
    settings,
    problems,
    keeper,
    users: () => host.users(),
    forget: (user) => void keepers.delete(user),
    begin() {
      for (const user of settings.names()) {
        try {
          if (settings.of(user).run) void keeper(user).start({})
        } catch (error) {
          problems.push((error as Error).message)
          events.note('user_unusable', user, (error as Error).message)
        }
      }
    },
    close: async () => void (await Promise.all([...keepers.values()].map((each) => each.close()))),
  }
}

/** Of events that are no good news. */
const levels: ReadonlyMap<string, LogLevel> = new Map([
  ['guest_lost', 'warn'],
  ['warning', 'warn'],
  ['guest_failed', 'error'],
  ['user_unusable', 'error'],
])

/** Guests start as many at once as there are processors: more would only be ready later, all of them. */
function createPlaces(count: number): KeeperDeps['place'] {
  let free = count
  const waiting: (() => void)[] = []
  const leave = (): (() => void) => {
    let isLeft = false
    return () => {
      if (isLeft) return
      isLeft = true
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
  return async () => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    return leave()
  }
}

/**
 * One daemon has the files at a time. A note of one that was killed, or that is left from before the machine was restarted, is no hindrance.
 * @throws OxbowError `workspace_busy`
 */
export function takePlace({ runner }: DaemonPlace): void {
  const file = noteFile(runner)
  hostFiles(() => makeFolder(runner))
  asOwner(file, 'the daemon', () => {
    const other = livingNote(file)
    if (other !== null && isSame(other)) {
      throw new OxbowError('workspace_busy', `a daemon runs already: process ${other.pid}`, {
        hint: '`oxbow service status` says how it is.',
      })
    }
    hostFiles(() => writeNote(file, noteOf(process.pid)))
  })
}

const noteFile = (runner: string): string => join(runner, 'daemon.json')

/** Variables that a file of a person sets. @throws OxbowError `bad_config` for one that cannot be read */
export function variablesIn(file: string): HostEnv {
  if (file === '') return {}
  const { parseEnv } = process.getBuiltinModule('node:util')
  const { readFileSync } = process.getBuiltinModule('node:fs')
  return hostFiles(() => parseEnv(readFileSync(file, 'utf8')) as HostEnv)
}

/** What the daemon itself answers, in both modes. */
import { OxbowError } from '../../base/index.ts'
import type { ControlTaken, LogPage, LogWish, UserSettings, UserStatus } from '../../protocol/index.ts'
import { shownLog } from '../shown-log.ts'
import { maxLogBytes } from './limits.ts'
import { type Caller, forEach, operation, type Operations, usersMeant } from './operations.ts'
import type { Daemon } from './daemon.ts'

/** What the operations need of a mode. */
export interface OperationHost {
  homeOf(user: string): string
  /** @throws OxbowError `bad_input` */
  add(user: string): Promise<void>
  /** @returns what was done, in words */
  remove(user: string, purge: boolean): Promise<string>
  /** After the settings of a user have changed. @returns what of them cannot be enforced here; empty: all is */
  applied(user: string, settings: UserSettings): Promise<string>
  /** Of a user. */
  log(user: string, wish: LogWish): Promise<LogPage['lines']>
  /** Starts a change of the version that runs. @param onFault why it changed nothing @returns its process */
  changeVersion(wish: ControlTaken<'upgrade'>, onFault: (why: string) => void): Promise<number>
  /** @returns files of the configuration, why they cannot be used, and what concerns the daemon */
  config(user: string): Promise<{ readonly files: readonly string[]; readonly problem: string; readonly idle_stop_min: number }>
}

export function daemonOperations(daemon: Daemon, host: OperationHost, version: string): Operations {
  const meant: Meant = (input, caller) => usersMeant(input, caller, daemon.users)
  const one = (input: { user?: string | undefined }, caller: Caller): string => meant(input, caller)[0]!
  const statusOf = (user: string): UserStatus => daemon.keeper(user).status()
  return {
    ...operation('health', async () => {
      const { rss } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      const running = daemon.users().filter((each) => statusOf(each).state === 'running').length
      return {
        pid: process.pid,
        version,
        mode: daemon.mode,
        since: daemon.since,
        users: daemon.users().length,
        running,
        memory_mb: Math.round(rss / 1024 ** 2),
        cpu_s: (user + system) / 1e6,
        problems: daemon.problems,
      }
    }),
    ...operation('status', async ({ user }, caller) => ({
      users: meant({ user, all: user === undefined }, caller).map(statusOf),
    })),
    ...guestOperations(daemon, meant),
    ...operation('logs', async ({ user, ...wish }, caller) => {
      const isOwn = caller.user === null && user === undefined
      const lines = isOwn
        ? shownLog((role) => (role === 'daemon' ? daemon.logs : null), wish, maxLogBytes)
        : await host.log(one({ user }, caller), wish)
      return { lines: [...lines] }
    }),
    ...operation('users', (input, caller) => changeUsers(daemon, host, input, caller)),
    ...operation('config', async (input, caller) => {
      const { files, ...rest } = await host.config(one(input, caller))
      return { files: [...files], ...rest }
    }),
    ...operation(
      'upgrade',
      async (wish) => {
        const next = daemon.events.last()
        return { pid: await host.changeVersion(wish, (why) => daemon.events.note('version_change', '', `failed: ${why}`)), next }
      },
      true,
    ),
    ...operation('events', async ({ after, limit, wait_s: waitS }, { user, gone }) => {
      const isMine = (event: { readonly user: string }): boolean => user === null || event.user === user
      const until = waitS === 0 ? AbortSignal.abort() : AbortSignal.any([gone, AbortSignal.timeout(waitS * 1_000)])
      let found = daemon.events.after(after, limit, isMine)
      while (found.length === 0 && !until.aborted) {
        await daemon.events.next(until)
        found = daemon.events.after(after, limit, isMine)
      }
      return { events: [...found], next: found.at(-1)?.n ?? Math.max(after, daemon.events.last()) }
    }),
  }
}

type Meant = (input: { user?: string | undefined; all?: boolean | undefined }, caller: Caller) => readonly string[]

/** What starts and stops guests. */
function guestOperations(daemon: Daemon, meant: Meant): Operations {
  const start = async (user: string, { env = {}, wake }: { env?: Record<string, string> | undefined; wake?: boolean | undefined }) => {
    const keeper = daemon.keeper(user)
    if (wake === true && !keeper.status().wanted) return { ...keeper.status(), started: false }
    if (wake !== true) daemon.settings.set(user, { run: true })
    const started = await keeper.start(env)
    return { ...keeper.status(), started }
  }
  return {
    ...operation('start', async (input, caller) => ({ users: [...(await forEach(meant(input, caller), (user) => start(user, input)))] })),
    ...operation('stop', async (input, caller) => ({
      users: [
        ...(await forEach(meant(input, caller), async (user) => {
          const keeper = daemon.keeper(user)
          daemon.settings.set(user, { run: false })
          const stopped = await keeper.stop()
          return { ...keeper.status(), stopped }
        })),
      ],
    })),
    ...operation('restart', async (input, caller) => ({
      users: [
        ...(await forEach(meant(input, caller), async (user) => {
          await daemon.keeper(user).stop(true)
          return start(user, input)
        })),
      ],
    })),
  }
}

async function changeUsers(
  daemon: Daemon,
  host: OperationHost,
  { action, user, settings = {}, purge = false }: ControlTaken<'users'>,
  caller: Caller,
) {
  const shown = (users: readonly string[], done: string) => ({
    users: users.map((name) => ({ user: name, home: host.homeOf(name), settings: daemon.settings.of(name) })),
    done,
  })
  if (action === 'list')
    return shown(user !== undefined || caller.user !== null ? usersMeant({ user }, caller, daemon.users) : daemon.users(), '')
  if (caller.user !== null)
    throw new OxbowError('denied', 'only an administrator changes users', { hint: 'Ask for it as root: sudo oxbow …' })
  if (user === undefined) throw new OxbowError('bad_input', 'no user is named', { hint: 'Name one: oxbow user add NAME' })
  if (action === 'remove') {
    if (daemon.users().includes(user)) await daemon.keeper(user).stop()
    const done = await host.remove(user, purge)
    daemon.settings.remove(user)
    daemon.forget(user)
    daemon.events.note('user_removed', user, done)
    return shown([], done)
  }
  if (action === 'add') await host.add(user)
  else daemon.keeper(user)
  const unenforced = await host.applied(user, daemon.settings.set(user, settings))
  daemon.events.note(action === 'add' ? 'user_added' : 'user_set', user, JSON.stringify(settings))
  return shown([user], unenforced)
}

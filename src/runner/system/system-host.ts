/**
 * The daemon of a machine, as root: an Oxbow user is a Unix user. Root makes the folder of a home and its control group, starts a process as that
 * user, and signs what it reports. It never reads or writes below a home: whatever is there, such as a link, is the user's.
 */
import { chmodSync, existsSync, lchownSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { logPage, type UserSettings } from '../../protocol/index.ts'
import type { Daemon, DaemonHost } from '../daemon/daemon.ts'
import type { OperationHost } from '../daemon/daemon-operations.ts'
import type { DaemonPlace } from '../daemon/daemon-place.ts'
import type { Operations } from '../daemon/operations.ts'
import { asideOf, asidePath, exists, removedFolder, unknown } from '../daemon/user-changes.ts'
import type { SettingsOfUsers } from '../daemon/user-settings.ts'
import { hostFiles } from '../home.ts'
import { type Account, accountOf, isAccountName, oddName, runProgram } from './accounts.ts'
import { openSeals, type Seals, systemUser } from './seals.ts'
import { type RunningProcess, startUserProcess, type UserProcess } from './start-user-process.ts'
import { openUserCgroups, type UserCgroups } from './user-cgroup.ts'

export interface SystemHost extends DaemonHost, OperationHost {
  readonly problems: readonly string[]
  readonly operations: Operations
  /** Tells of all users that there are, now and after each change. */
  onUsers(listener: (users: readonly Account[]) => Promise<void>): void
  refresh(): Promise<void>
}

/** Everybody may pass through, to what is theirs; `runner` is root's alone. */
export function openSystemFolders({ root, runner }: DaemonPlace): void {
  if (process.getuid?.() !== 0) {
    throw new OxbowError('denied', 'the daemon of the system runs as root', { hint: 'Without --system it runs for your own home.' })
  }
  hostFiles(() => {
    for (const [folder, mode] of [
      [root, 0o711],
      [runner, 0o700],
      [join(root, 'users'), 0o711],
      [join(root, 'control'), 0o711],
      [removedFolder(root), 0o711],
    ] as const) {
      mkdirSync(folder, { recursive: true, mode })
      const found = lstatSync(folder)
      if (!found.isDirectory() || found.uid !== 0) {
        throw new OxbowError('bad_config', `${folder} is not a folder of root`, { hint: 'Move it away; the daemon makes it again.' })
      }
      chmodSync(folder, mode)
    }
  })
}

interface SystemDeps {
  readonly version: string
  /** Of the daemon that is made with it. */
  readonly settings: () => SettingsOfUsers
  readonly daemon: () => Daemon
}

export async function systemHost({ root, runner }: DaemonPlace, { version, settings, daemon }: SystemDeps): Promise<SystemHost> {
  const homes = join(root, 'users')
  const homeOf = (user: string): string => join(homes, user)
  const cgroups = await openUserCgroups()
  const users = (): readonly string[] => readdirSync(homes).filter((name) => isAccountName(name))
  const seals = openSeals(runner, users)
  /** The newest process of each; one that has ended is told nothing. */
  const begun = new Map<string, RunningProcess>()
  let listener: (users: readonly Account[]) => Promise<void> = async () => {}
  const refresh = async (): Promise<void> => {
    const found = await Promise.all(users().map((user) => accountOf(user).catch(() => null)))
    await listener(found.filter((account) => account !== null))
  }
  const assertUser = (user: string): void => {
    if (!isAccountName(user)) throw oddName(user)
    if (lstatSync(homeOf(user), { throwIfNoEntry: false })?.isDirectory() !== true) throw unknown(user)
  }
  return {
    problems: cgroups.problem === '' ? [] : [cgroups.problem],
    operations: seals.operations,
    onUsers: (next) => void (listener = next),
    refresh,
    users,
    homeOf,
    assertUser,
    async begin(user, variables, hooks) {
      const process = await beginUser({ home: homeOf(user), root, version, cgroups, seals, hooks }, user, settings().of(user), variables)
      begun.set(user, process)
      return process
    },
    async add(user) {
      const account = await accountOf(user)
      if (existsSync(homeOf(user))) throw exists(user)
      hostFiles(() => makeHome(homes, account))
      await refresh()
    },
    async remove(user, purge) {
      if (!isAccountName(user)) throw oddName(user)
      const account = await accountOf(user).catch(() => null)
      cgroups.end(user)
      const done = await removeHome(root, user, account, purge)
      await refresh()
      return done
    },
    async applied(user, of) {
      const account = await accountOf(user)
      begun.get(user)?.tell(of)
      if (daemon().keeper(user).status().state !== 'stopped') cgroups.open(account, of)
      return [cgroups.problem, await setQuota(account, of)].filter(Boolean).join('; ')
    },
    async log(user, wish) {
      assertUser(user)
      // With the user's rights: what is there may be a link.
      const words = [process.argv[1] ?? '', '--log', homeOf(user), JSON.stringify(wish)]
      const { out } = await runProgram(process.execPath, words, await accountOf(user))
      return logPage.shape.lines.parse(JSON.parse(out || '[]'))
    },
    async changeVersion() {
      throw new OxbowError('denied', 'the version of a machine is changed by its packages', {
        hint: 'apt install ./oxbow_VERSION_amd64.deb, or as it was installed; then: systemctl restart oxbow',
      })
    },
    async config(user) {
      assertUser(user)
      const files = ['/etc/oxbow/config.toml', join(homeOf(user), 'config.toml'), join(homeOf(user), 'users', systemUser, 'config.toml')]
      const { reason } = daemon().keeper(user).status()
      return { files, problem: reason, idle_stop_min: 0 }
    },
  }
}

interface UserParts extends Pick<UserProcess, 'home' | 'root' | 'version' | 'hooks'> {
  readonly cgroups: UserCgroups
  readonly seals: Seals
}

async function beginUser(
  { cgroups, seals, ...parts }: UserParts,
  user: string,
  settings: UserSettings,
  variables: UserProcess['variables'],
): Promise<RunningProcess> {
  const account = await accountOf(user)
  assertOwned(parts.home, account)
  const all = { ...variablesOfRoot(settings.env_file), ...variables }
  const keeping = startUserProcess({
    ...parts,
    settings,
    ...cgroups.open(account, settings),
    account,
    variables: all,
    signer: seals.open(user),
  })
  // Whatever it has left behind, such as a program that went on by itself, ends with it.
  const over = keeping.over.then((end) => {
    cgroups.end(user)
    return end
  })
  return { ...keeping, over }
}

function assertOwned(home: string, { name, uid }: Account): void {
  const found = lstatSync(home, { throwIfNoEntry: false })
  if (found?.isDirectory() === true && found.uid === uid && (found.mode & 0o077) === 0) return
  throw new OxbowError('bad_config', `${home} is not a folder of ${name} alone`, {
    hint: `The account was made anew, or the folder opened: chown -hR ${name}: ${home} && chmod 700 ${home}`,
  })
}

/** In the end in one step, so that a crash leaves no home that is root's. */
function makeHome(homes: string, { name, uid, gid }: Account): void {
  const draft = join(homes, `.${name}.${process.pid}`)
  mkdirSync(draft, { mode: 0o700 })
  chmodSync(draft, 0o700)
  lchownSync(draft, uid, gid)
  renameSync(draft, join(homes, name))
}

async function removeHome(root: string, user: string, account: Account | null, purge: boolean): Promise<string> {
  const home = join(root, 'users', user)
  const isThere = lstatSync(home, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isThere && !purge) throw unknown(user)
  const aside = asidePath(root, user, Date.now())
  if (isThere) hostFiles(() => renameSync(home, aside))
  if (!purge) return `${user} is removed; everything they had is in ${aside}`
  for (const folder of asideOf(root, user)) await eraseFolder(folder, account)
  return `${user} is erased; the signed heads stay in ${join(root, 'runner', 'seals', user)}`
}

/** With the rights of its user: root follows nothing that is in it. */
async function eraseFolder(folder: string, account: Account | null): Promise<void> {
  const { uid, gid } = lstatSync(folder)
  const { exitCode, err } = await runProgram('find', [folder, '-mindepth', '1', '-delete'], account ?? { uid, gid })
  try {
    if (exitCode === 0) return rmdirSync(folder)
  } catch {
    // Not empty.
  }
  throw new OxbowError('store_failed', `${folder} could not be erased: ${err.trim().slice(0, 300)}`, {
    hint: `Look into it, then: rm -r ${folder}`,
  })
}

/** @returns why it is not enforced; empty: it is, or none is wanted */
async function setQuota({ name }: Account, { disk_mb: disk }: UserSettings): Promise<string> {
  if (disk === null) return ''
  const { exitCode, err } = await runProgram('setquota', ['-u', name, '0', String(disk * 1024), '0', '0', '-a'])
  return exitCode === 0
    ? ''
    : `the disk quota is not enforced: ${err.trim().split('\n')[0]?.slice(0, 200) || 'there is no setquota here: apt install quota, and mount the file system with usrquota'}`
}

/** @throws OxbowError `bad_config` for a file that somebody else could have put there: root would tell them what is in it */
function variablesOfRoot(file: string): Readonly<Record<string, string>> {
  if (file === '') return {}
  const { closeSync, constants, fstatSync, openSync, readFileSync } = process.getBuiltinModule('node:fs')
  const { parseEnv } = process.getBuiltinModule('node:util')
  return hostFiles(() => {
    const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const { uid, mode } = fstatSync(handle)
      if (uid !== 0 || (mode & 0o022) !== 0 || !fstatSync(handle).isFile()) {
        throw new OxbowError('bad_config', `${file} is not a file that only root can change`, {
          hint: `Run: chown root: ${file} && chmod 600 ${file}`,
        })
      }
      return parseEnv(readFileSync(handle, 'utf8')) as Record<string, string>
    } finally {
      closeSync(handle)
    }
  })
}

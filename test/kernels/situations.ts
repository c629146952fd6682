/**
 * Where Oxbow may find itself in control groups of version 2, as systemd and engines make them, and what it must make of it. The
 * shell functions are in guest-scripts.ts: `group` makes one, `down` hands controllers down, `give` delegates it to the
 * user, `enter` moves the shell into it.
 */

export interface Situation {
  readonly name: string
  /** Shell, as root, in a shell of its own. */
  readonly arrange: string
  /** What stands before the program: who runs it. */
  readonly run: string
  readonly expects: Expected
  /** Further suites to run there. */
  readonly suites: readonly string[]
  /** Takes a minute, and is much like another one: only with OXBOW_KERNELS=all. */
  readonly isAlike?: true
}

export interface Expected {
  /** Limits in force, and the folder in which groups are made; null for none. */
  readonly limits: readonly string[]
  readonly folder: string | null
}

/** Of nobody: outside the ranges of people, system accounts and containers, and not the sandbox's own. */
export const plainUid = 60_997

const all = ['memory', 'pids', 'cpu']
const mounted = '/sys/fs/cgroup'
const manager = `/user.slice/user-${plainUid}.slice/user@${plainUid}.service`
const asUser = `U=${plainUid}`

/** All that a slice of the system or of an engine may have. */
const slice = (path: string): string => `down / "memory pids cpu"; group ${path}; down ${path} "memory pids cpu"`

/** Everything down to the manager of a user's own groups, as systemd 252 leaves it with `Delegate=pids memory`. */
const userManager = `${asUser}
down / "memory pids cpu"
group ${manager}
for at in /user.slice /user.slice/user-$U.slice; do down $at "memory pids"; done
give ${manager}
setpriv --reuid=$U --regid=$U --clear-groups bash -c 'cd '$G'${manager}; mkdir init.scope app.slice app.slice/run-1.scope
for at in . app.slice; do for each in memory pids; do echo +$each > $at/cgroup.subtree_control; done; done'`

export const situations: readonly Situation[] = [
  {
    name: 'root where nobody has handed down anything',
    arrange: '',
    run: 'asroot',
    expects: { limits: all, folder: mounted },
    suites: [],
  },
  {
    name: 'root in a service of systemd',
    arrange: `${slice('/system.slice')}; group /system.slice/oxbow.service; enter /system.slice/oxbow.service`,
    run: 'asroot',
    expects: { limits: all, folder: `${mounted}/system.slice` },
    suites: ['src/sandbox/bubblewrap/limits-in-force.test.ts'],
    isAlike: true,
  },
  {
    name: 'root in a container with groups of its own',
    arrange: `${slice('/machine.slice')}; group /machine.slice/box; enter /machine.slice/box`,
    run: 'asroot unshare --cgroup --mount sh -c \'umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$0" "$@"\'',
    expects: { limits: all, folder: mounted },
    suites: [],
    isAlike: true,
  },
  {
    name: 'a user whose service is delegated',
    arrange: `${asUser}; ${slice('/system.slice')}; group /system.slice/own.service; give /system.slice/own.service; enter /system.slice/own.service`,
    run: `as ${plainUid}`,
    expects: { limits: all, folder: `${mounted}/system.slice/own.service` },
    suites: [],
  },
  {
    name: 'a user to whom nothing is delegated',
    arrange: 'group /user.slice/user-1.slice/session-3.scope; enter /user.slice/user-1.slice/session-3.scope',
    run: `as ${plainUid}`,
    expects: { limits: [], folder: null },
    suites: [],
  },
  {
    name: 'a user below the manager of systemd',
    arrange: `${userManager}\nenter ${manager}/app.slice/run-1.scope`,
    run: `as ${plainUid}`,
    expects: { limits: ['memory', 'pids'], folder: `${mounted}${manager}/app.slice` },
    suites: [],
  },
]

/** Those that are gone through here. */
export function chosenSituations({ OXBOW_KERNELS }: NodeJS.ProcessEnv): readonly Situation[] {
  return OXBOW_KERNELS === 'all' ? situations : situations.filter(({ isAlike }) => isAlike !== true)
}

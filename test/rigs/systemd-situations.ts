/**
 * Where Oxbow may find itself on a machine of systemd, as a person gets there, and what it must make of it. `login` and
 * `service` are shell functions of systemd-scripts.ts: the one logs somebody in on a terminal, through PAM, the other starts a service.
 */
import type { Expected } from '../kernels/situations.ts'

export interface SystemdSituation {
  readonly name: string
  /** Shell, as root, in a service of its own; what follows it is the program. */
  readonly run: string
  readonly expects: SystemdExpected
  readonly suites: readonly string[]
}

export interface SystemdExpected extends Expected {
  /** Whether systemd makes the groups, or the folder was handed over to Oxbow. */
  readonly madeBy: 'systemd' | 'oxbow' | null
}

/** Two persons: the manager of the second one is given what systemd gave before version 252, memory and processes. */
export const people = { ada: 1_000, bob: 1_001 } as const

const all = ['memory', 'pids', 'cpu']
const mounted = '/sys/fs/cgroup'
const managerOf = (uid: number): string => `${mounted}/user.slice/user-${uid}.slice/user@${uid}.service`
const kill = ['test/isolation/kill-process.full.test.ts']

export const systemdSituations: readonly SystemdSituation[] = [
  {
    name: 'a service of a user who has no manager',
    run: 'service --property=User=bob',
    expects: { limits: [], folder: null, madeBy: null },
    suites: [],
  },
  {
    name: 'a service of a user, delegated',
    run: 'service --property=User=bob --property=Delegate=yes',
    expects: { limits: all, folder: `${mounted}/system.slice/rig-own.service`, madeBy: 'oxbow' },
    suites: [],
  },
  {
    name: 'a user who has logged in',
    run: 'login ada',
    expects: { limits: all, folder: `${managerOf(people.ada)}/app.slice`, madeBy: 'systemd' },
    suites: kill,
  },
  {
    name: 'a user who has logged in, in a scope of their own',
    run: 'login ada systemd-run --user --scope --quiet',
    expects: { limits: all, folder: `${managerOf(people.ada)}/app.slice`, madeBy: 'systemd' },
    suites: [],
  },
  {
    name: 'a user who has logged in, in a scope that is delegated',
    run: 'login ada systemd-run --user --scope --quiet --unit=own --property=Delegate=yes',
    expects: { limits: all, folder: `${managerOf(people.ada)}/app.slice/own.scope`, madeBy: 'oxbow' },
    suites: [],
  },
  {
    name: 'a user who has logged in, whose manager was not given the processors',
    run: 'login bob',
    expects: { limits: ['memory', 'pids'], folder: `${managerOf(people.bob)}/app.slice`, madeBy: 'systemd' },
    suites: [],
  },
  {
    name: 'root in a service',
    run: 'service',
    expects: { limits: all, folder: `${mounted}/system.slice`, madeBy: 'systemd' },
    suites: kill,
  },
  {
    name: 'root in a service that is delegated',
    run: 'service --property=Delegate=yes',
    expects: { limits: all, folder: `${mounted}/system.slice/rig-own.service`, madeBy: 'oxbow' },
    suites: kill,
  },
  {
    name: 'root who has logged in',
    run: 'login root',
    expects: { limits: all, folder: `${mounted}/system.slice`, madeBy: 'systemd' },
    suites: [],
  },
  {
    name: 'root in a terminal that the manager of a user has started',
    run: 'terminal ada',
    expects: { limits: all, folder: `${mounted}/system.slice`, madeBy: 'systemd' },
    suites: [],
  },
]

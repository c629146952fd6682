/** Podman without root, run by an account that has none: all that every sandbox and every container must do, and the hostile program. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { before, describe, it } from 'node:test'
import { describeContainerContract } from '../../src/sandbox/container/container-contract.ts'
import { testImage } from '../../src/sandbox/container/container-fixture.ts'
import { describeSessionContract } from '../../src/sandbox/hands/session-contract.ts'
import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import { describeSandboxContract } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench, type WorkbenchOptions } from '../../src/sandbox/sandbox-fixture.ts'
import { containersOf } from '../isolation/container-leftovers.ts'
import { describeAbuse, prepareRepository } from '../isolation/describe-abuse.ts'
import { guestWorks } from '../isolation/isolated-bench.ts'
import { describeOlderImages } from './describe-older-images.ts'

/** Under version 1 of control groups none; under version 2 what the system hands down, as podman itself finds it. */
function controllers(): readonly string[] {
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers')) return []
  return execFileSync('podman', ['info', '--format', '{{range .Host.CgroupControllers}}{{.}} {{end}}'], { encoding: 'utf8' }).split(' ')
}

const given = controllers()
const version1 = 'podman without root cannot limit a container under cgroup v1'
const version2 = 'the system delegates its control groups to no unprivileged user'
const reason = given.length === 0 ? version1 : version2

const names = { memory: 'memory', processes: 'pids', processors: 'cpu' }
const stands = (which: boolean): string =>
  Object.entries(names)
    .filter(([, controller]) => given.includes(controller) === which)
    .map(([limit]) => limit)
    .join(', ')
const finding = {
  state: stands(false) === '' ? 'ok' : 'weak',
  says: ['podman with runc', stands(true) && `in force: ${stands(true)}`, stands(false) && `not in force: ${stands(false)}`]
    .filter(Boolean)
    .join('; '),
  fix:
    stands(false) === ''
      ? ''
      : given.length === 0
        ? 'Run Oxbow as root, or boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2 alone)'
        : 'As root: systemctl edit user@.service   ([Service] Delegate=cpu memory pids), then log in again',
} as const

describe('podman without root', () => {
  before(() => testImage(), { timeout: 240_000 })
  const limits = { tier: 'container', container: { engine: 'podman', kernel: 'runc', image: '' } } as const
  const make = (more: WorkbenchOptions = {}) => makeWorkbench({ limits, ...more })

  describeSandboxContract('podman without root', () => make())
  describeSessionContract('podman without root', () => make())
  describeContainerContract('podman without root', {
    engine: 'podman',
    image: '',
    limits: [
      ...(given.includes('memory') ? ['memory: 384 MB for each container'] : []),
      ...(given.includes('pids') ? ['processes: 96'] : []),
    ],
    degraded: [
      ...(given.includes('memory') ? [] : [`memory: ${reason}; each process is limited by itself`]),
      ...(given.includes('pids') ? [] : [`processes: ${reason}; limited by RLIMIT_NPROC`]),
    ],
    finding,
  })
  describeAbuse('container', null, () => make({ before: prepareRepository }))
  it('holds a guest that is isolated itself, with its hands in a second container', { timeout: 120_000 }, async () => {
    await guestWorks({ tier: 'container' }, false)
  })
  describeOlderImages('podman without root', { engine: 'podman' })
  describeKillContract('podman without root', { ...containersOf('podman'), limits })
})

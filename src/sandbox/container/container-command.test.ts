/** The line that starts a container, flag by flag: what it holds is tried where engines are. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testLimits } from '../sandbox-fixture.ts'
import { removeArguments, runArguments } from './container-command.ts'
import type { ContainerPlan } from './container-command.ts'

const plan: ContainerPlan = {
  engine: 'podman',
  kernel: 'runc',
  image: 'abc',
  name: 'oxbow-1-2-x',
  labels: { app: 'oxbow' },
  idFile: '/c/id',
  seccompFile: '/c/seccomp.json',
  uid: 60_999,
  gid: 60_999,
  rootless: false,
  mounts: [
    { host: '/ws/shared', inside: '/shared', writable: true },
    { host: '/ws/tmp', inside: '/tmp', writable: true },
    { host: '/c/hands.cjs', inside: '/opt/oxbow/hands.cjs', writable: false },
  ],
  limits: { ...testLimits, memory_mb: 384, max_processes: 96, max_file_mb: 16, cpus: 1.5 },
  held: ['memory', 'processes', 'processors'],
  program: ['/opt/oxbow/hands.cjs', '--alone'],
}

/** What stands before the image, for both engines. */
const hardened = [
  '--rm',
  '--interactive',
  '--init',
  '--pull=never',
  '--network=none',
  '--ipc=private',
  '--user=60999:60999',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--security-opt=seccomp=/c/seccomp.json',
  '--read-only',
  '--memory=384m',
  '--memory-swap=384m',
  '--pids-limit=96',
  '--cpus=1.5',
  '--ulimit=nofile=1024:1024',
  '--ulimit=fsize=16777216:16777216',
  '--ulimit=core=0:0',
  '--log-driver=none',
]

/** Flags that only podman knows: docker would refuse the line. */
const podmanAlone = /^--(?:runtime-flag|uts|no-hosts|unsetenv-all|http-proxy|read-only-tmpfs|userns)|mask=|^--mount=.*(?:nosuid|nodev)/

function includesAll(args: readonly string[], wanted: readonly string[]): void {
  assert.deepEqual(
    wanted.filter((flag) => !args.includes(flag)),
    [],
  )
}

describe('the line that starts a container', () => {
  it('takes everything from it but its workspace, with podman', () => {
    const args = runArguments(plan)
    assert.deepEqual(args.slice(0, 2), ['--runtime=runc', 'run'])
    includesAll(args, [...hardened, '--unsetenv-all', '--no-hosts', '--http-proxy=false', '--security-opt=mask=/sys'])
    includesAll(args, [
      '--mount=type=bind,source=/ws/shared,destination=/shared,nosuid,nodev',
      '--mount=type=bind,source=/c/hands.cjs,destination=/opt/oxbow/hands.cjs,readonly,nosuid,nodev',
    ])
    assert.deepEqual(args.slice(args.indexOf('abc')), ['abc', '/opt/oxbow/hands.cjs', '--alone'])
  })

  it('does the same with docker, without what docker does not know', () => {
    const args = runArguments({ ...plan, engine: 'docker' })
    assert.equal(args[0], 'run')
    includesAll(args, [...hardened, '--mount=type=bind,source=/ws/shared,destination=/shared'])
    assert.deepEqual(
      args.filter((flag) => podmanAlone.test(flag)),
      [],
    )
    assert.ok(runArguments({ ...plan, engine: 'docker', kernel: 'gvisor' }).includes('--runtime=runsc'))
  })

  it('starts where the plan says', () => {
    assert.ok(runArguments({ ...plan, cwd: '/shared' }).includes('--workdir=/shared'))
    assert.ok(runArguments(plan).includes('--workdir=/'))
  })

  it('keeps docker from handing in devices, name servers and proxies of the machine', () => {
    const args = runArguments({ ...plan, engine: 'docker' })
    includesAll(args, ['--dns=127.0.0.1', '--env=HTTP_PROXY=', '--env=https_proxy=', '--env=ALL_PROXY=', '--env=no_proxy='])
    assert.ok(args.some((flag) => flag.startsWith('--tmpfs=/sys:ro,')))
    // A guest in a container has a proxy of its own, which holds in either case.
    const own = runArguments({ ...plan, engine: 'docker', env: { HTTP_PROXY: 'http://127.0.0.1:1' } })
    assert.deepEqual(
      own.filter((flag) => /^--env=http_proxy=/i.test(flag)),
      ['--env=http_proxy=http://127.0.0.1:1', '--env=HTTP_PROXY=http://127.0.0.1:1'],
    )
  })

  it('leaves the kernel of gVisor the processes that it is made of', () => {
    const socketsOf = (more: object) => runArguments({ ...plan, kernel: 'gvisor', ...more }).filter((each) => each.includes('uds'))
    assert.deepEqual(socketsOf({}), ['--runtime-flag=fsgofer-host-uds=true'], 'hands only connect to sockets of the host')
    assert.deepEqual(socketsOf({ makesSockets: true }), ['--runtime-flag=host-uds=all'], 'an isolated guest makes its own')
    const args = runArguments({ ...plan, kernel: 'gvisor' })
    includesAll(args, ['--runtime=runsc', '--runtime-flag=network=none', '--runtime-flag=platform=ptrace', '--pids-limit=3328'])
    assert.ok(args.indexOf('--runtime=runsc') < args.indexOf('run'))
    assert.ok(!args.includes('--pids-limit=96'))
  })

  it('sets no limit that podman without root would ignore, and maps the person to the uid inside', () => {
    const args = runArguments({ ...plan, rootless: true, held: [], uid: 1000, gid: 1000 })
    assert.ok(!args.some((flag) => /^--(?:memory|pids-limit|cpus)/.test(flag)))
    includesAll(args, ['--userns=keep-id:uid=1000,gid=1000', '--ulimit=nproc=96:96'])
    // Where the system hands down some of its control groups, those are used.
    const some = runArguments({ ...plan, rootless: true, held: ['memory'] })
    assert.deepEqual(
      some.filter((flag) => /^--(?:memory|pids-limit|cpus)/.test(flag)),
      ['--memory=384m', '--memory-swap=384m'],
    )
  })

  it('gives a memory of its own as /tmp to what has no folder for it', () => {
    const [vault] = [{ host: '/ws/vault', inside: '/vault', writable: false }]
    const args = runArguments({ ...plan, mounts: [vault] })
    assert.ok(args.some((flag) => flag.startsWith('--tmpfs=/tmp:rw,nosuid,nodev,size=')))
    assert.ok(!args.some((flag) => flag.includes('/ws/shared')))
  })

  it('keeps a path with a comma or a quote in one piece', () => {
    const args = runArguments({ ...plan, mounts: [{ host: '/a,readonly="x"', inside: '/shared', writable: true }] })
    includesAll(args, ['--mount=type=bind,"source=/a,readonly=""x""",destination=/shared,nosuid,nodev'])
  })

  it('removes by force, and at once', () => {
    assert.deepEqual(removeArguments('podman', 'x'), ['rm', '--force', '--time=0', '--ignore', 'x'])
    assert.deepEqual(removeArguments('docker', 'x'), ['rm', '--force', 'x'])
  })
})

/** That microsandbox is chosen only when a machine of it starts, and refused otherwise. Real ones start in test/rigs/kvm-main.ts alone. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Failure } from '../../base/index.ts'
import { processNamespace } from '../cgroup/cgroup-limits.ts'
import { containerName } from '../container/container-process.ts'
import { ownSearchPath } from '../host-programs.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { isPlan, type TierOptions } from '../tier-plan.ts'
import { prepareFolders } from '../create-sandbox.ts'
import { complaints, createArguments, execArguments, microsandboxTier, type MsbStart, removeArguments } from './microsandbox-tier.ts'

const { stdout } = await promisify(execFile)('/bin/sh', ['-c', 'command -v msb || true'], { env: { PATH: ownSearchPath() } })
const program = stdout.trim() === '' ? null : stdout.trim()

describe('microsandbox', () => {
  let root: string
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'oxbow-msb-'))
  })
  after(() => rm(root, { recursive: true }))

  const optionsWith = async (searchPath: string, image = 'node:24'): Promise<TierOptions> => ({
    folders: await prepareFolders(root),
    limits: { ...testLimits, micro_vm: { provider: 'microsandbox', accel: 'auto', image } },
    browser: testBrowser,
    diskProblem: null,
    searchPath,
    cacheFolder: join(root, 'internal'),
    imageFolder: join(root, 'internal'),
    logger: () => undefined,
  })
  /** A stand-in that counts how often it was asked. */
  const standIn = async (name: string, script: string): Promise<string> => {
    const folder = join(root, name)
    await mkdir(folder)
    await writeFile(join(folder, 'msb'), `#!/bin/sh\necho "$1" >>'${folder}/asked'\n${script}\n`, { mode: 0o755 })
    return folder
  }
  const askedOf = async (folder: string): Promise<string> => readFile(join(folder, 'asked'), 'utf8')
  const refusalOf = async (options: TierOptions): Promise<Failure> => {
    const plan = await microsandboxTier.plan(options)
    assert.ok(!isPlan(plan))
    assert.equal(plan.code, 'sandbox_missing')
    assert.notEqual(plan.hint, '')
    return plan
  }

  it('is refused with what to do where it is not installed, and where no image is named', async () => {
    assert.match((await refusalOf(await optionsWith('/nowhere'))).hint, /npm install/)
    const folder = await standIn('unasked', 'exit 0')
    assert.match((await refusalOf(await optionsWith(folder, ''))).hint, /node:24/)
  })

  it('is refused where its doctor is not content, and asked anew the next time', async () => {
    const folder = await standIn('ill', 'echo "error: CPU virtualization is not available" >&2; exit 1')
    for (let i = 0; i < 2; i += 1) assert.match((await refusalOf(await optionsWith(folder))).message, /CPU virtualization is not available/)
    assert.equal(await askedOf(folder), 'doctor\ndoctor\n')
  })

  it('is refused where its doctor is content and no machine starts, or one without Node 24', async () => {
    const folder = await standIn('lying', 'case $1 in create) echo "error: sandbox process exited" >&2; exit 1;; esac')
    assert.match((await refusalOf(await optionsWith(folder))).message, /sandbox process exited/)
    assert.equal(await askedOf(folder), 'doctor\ncreate\nremove\n')
    const old = await standIn('old', '[ "$1" != exec ] || echo v18.20.0')
    assert.match((await refusalOf(await optionsWith(old))).message, /no Node 24/)
  })

  it('is taken when a machine has started, which is tried once for each start of the host', async () => {
    const folder = await standIn('well', '[ "$1" != exec ] || echo v24.21.0')
    for (let i = 0; i < 2; i += 1) {
      const plan = await microsandboxTier.plan(await optionsWith(folder))
      assert.ok(isPlan(plan))
      assert.deepEqual([plan.provider, plan.profiles], ['microsandbox', ['work', 'vault-read']])
    }
    assert.equal(await askedOf(folder), 'doctor\ncreate\nexec\nremove\nlist\nlist\n')
  })

  it('of a kernel that is gone is removed, and one of a living kernel is not', async () => {
    // Of a dead kernel, of one in another namespace of processes that may live, of this one, and of somebody else.
    const dead = `oxbow-4194304999-1-${processNamespace()}-1a`
    const left = [dead, 'oxbow-4194304999-1-1-2b', containerName('3c'), 'others'].join('\\n')
    const folder = await standIn(
      'left',
      `case $1 in exec) echo v24.21.0;; list) printf '${left}';; remove) echo "$*" >>"$0.removed";; esac`,
    )
    assert.ok(isPlan(await microsandboxTier.plan(await optionsWith(folder))))
    const removed = (await readFile(join(folder, 'msb.removed'), 'utf8')).split('\n').map((line) => line.split(' ').at(-1))
    assert.deepEqual([removed.slice(1), removed[0]?.startsWith(`oxbow-${process.pid}-`)], [[dead, ''], true])
  })

  it('that ends at once fails the start, with what it said, and is removed by its name', async () => {
    const script = 'case "$1 $*" in exec*--version) echo v24.21.0;; exec*) echo "error: out of luck" >&2; exit 1;; esac'
    const folder = await standIn('brief', script)
    const plan = await microsandboxTier.plan(await optionsWith(folder))
    assert.ok(isPlan(plan))
    await assert.rejects(plan.start('work'), /out of luck/)
    assert.equal(await askedOf(folder), 'doctor\ncreate\nexec\nremove\nlist\ncreate\nexec\nremove\n')
  })

  it('reads every flag that is given to it', { skip: program === null && 'install it: npm install -g microsandbox' }, async () => {
    assert.ok(program !== null)
    const env = { HOME: root, PATH: ownSearchPath() }
    const image = join(root, 'rootfs')
    await mkdir(image)
    const mounts = [{ host: (await prepareFolders(root)).shared, inside: '/shared', writable: true }]
    const bounds = { memoryMb: 256, processors: 1, processes: 64, maxFileMb: 1, user: 60_999, diskMb: 64 }
    const args = createArguments({ name: 'oxbow-flags', image, mounts, ...bounds, program: ['true'] })!
    const ran = await promisify(execFile)(program, [...args], { env, timeout: 10_000 }).catch((error: unknown) => error)
    await promisify(execFile)(program, [...removeArguments('oxbow-flags')], { env }).catch(() => undefined)
    // It comes to the start of the machine, which an empty root has none of; some hosts only say so after a minute.
    const { stderr = '', killed = false } = ran as { stderr?: string; killed?: boolean }
    assert.doesNotMatch(stderr, /unexpected argument|unknown mount option|invalid value/)
    assert.ok(killed || stderr.includes('failed to start'), stderr)
  })
})

const start: MsbStart = {
  name: 'oxbow-1-work',
  image: 'docker.io/library/node:24-slim',
  mounts: [
    { host: '/w/shared', inside: '/shared', writable: true },
    { host: '/c/hands', inside: '/opt/oxbow-hands', writable: false },
  ],
  memoryMb: 1_024,
  processors: 2,
  processes: 256,
  maxFileMb: 64,
  user: 60_999,
  diskMb: 512,
  program: ['node', '/opt/oxbow-hands/hands.cjs', '--alone'],
}

/** @returns what stands behind each time the flag does. */
function valuesOf(args: readonly string[], flag: string): readonly (string | undefined)[] {
  return args.flatMap((each, i) => (each === flag ? [args[i + 1]] : []))
}

describe('the command line of a microsandbox', () => {
  const args = createArguments(start)!
  const run = execArguments(start)

  it('has no network, fetches nothing, and runs as a user without rights, within the limits', () => {
    for (const flag of ['--no-net', '--quiet']) assert.ok(args.includes(flag), flag)
    assert.deepEqual(valuesOf(args, '--pull'), ['never'])
    assert.deepEqual(valuesOf(args, '--security'), ['restricted'])
    for (const each of [args, run]) assert.deepEqual(valuesOf(each, '--user'), ['60999:60999'])
    assert.deepEqual(valuesOf(run, '--rlimit'), ['nproc=256', 'nofile=1024', `fsize=${64 * 1024 * 1024}`])
    assert.deepEqual([valuesOf(args, '--memory'), valuesOf(args, '--cpus')], [['1024M'], ['2']])
  })

  it('shows what is to be seen, no more, and what is not to be written read-only', () => {
    assert.deepEqual(valuesOf(args, '--mount-dir'), [
      '/w/shared:/shared:nosuid,nodev,quota=512M,uid=60999,gid=60999',
      '/c/hands:/opt/oxbow-hands:ro',
    ])
  })

  it('ends with the image and the program, so that no word of these is a flag', () => {
    assert.equal(args.at(-1), start.image)
    assert.deepEqual(run.slice(run.indexOf('--') - 1), [start.name, '--', ...start.program])
  })

  it('is not made of paths that would say more than one thing', () => {
    for (const host of ['/w/a:b', '/w/a,uid=0', '/w/a\nb']) {
      assert.equal(createArguments({ ...start, mounts: [{ host, inside: '/shared', writable: true }] }), null)
    }
  })
})

describe('what msb complains of', () => {
  it('is one line without folders of the host', () => {
    const output = [
      'info MSB_HOME: /home/ada/.microsandbox',
      '   ✗ CPU virt     not found',
      'error: CPU virtualization is not available',
      '  → no vmx (Intel) or svm (AMD) flag in /proc/cpuinfo',
      '  → see /home/ada/.microsandbox/logs/x.log',
    ].join('\n')
    assert.equal(complaints(output), 'CPU virtualization is not available; no vmx (Intel) or svm (AMD) flag in /proc/cpuinfo; see …')
    assert.equal(complaints('all well'), '')
  })
})

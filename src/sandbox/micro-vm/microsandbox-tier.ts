/**
 * The second provider of machines: microsandbox, which takes KVM, HVF (macOS) or WHP (Windows). Chosen only where its own doctor is
 * content and a machine of it has really started; that answer is kept until the next start of this machine.
 *
 * The workspace is not copied: the folders themselves are shown, by its file service. Whoever wants the wall of micro-vm/ between
 * a hostile guest and the host's file system takes QEMU.
 */
import { join } from 'node:path'
import { type Failure, OxbowError, type Profile } from '../../types/index.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { containerName, isOrphan } from '../container/container-process.ts'
import { attachHands, collectDiagnostics, type HandsProcess, spawnWithStreams } from '../hands/hands-process.ts'
import { findProgram, runOnHost } from '../host-programs.ts'
import { bootId, keepFile, keptAnswer } from '../kept-files.ts'
import { bootTimeoutMs, containerProcessLimit, maxOpenFiles } from '../limits.ts'
import { sandboxUid, type TierOptions, type TierPlan, type TierProvider } from '../tier-plan.ts'
import { createEntrance } from '../workspace-entrance.ts'

/** No image has it: a mount hides what stands there. */
const insideFolder = '/opt/oxbow-hands'
/** The kernel and Node of the guest need this much before anything is done. */
const minMachineMb = 256

export const microsandboxTier: TierProvider = {
  tier: 'micro_vm',
  async plan(options) {
    const msb = findProgram('msb', options.searchPath)
    if (msb === null) return refused('microsandbox is not installed.', 'npm install -g microsandbox')
    const { image } = options.limits.micro_vm
    if (image === '')
      return refused('sandbox.micro_vm.image names no image for microsandbox.', 'One with Node 24: msb pull docker.io/library/node:24-slim')
    const problem = await keptAnswer(
      join(options.imageFolder, 'microsandbox.json'),
      `${bootId()} ${msb} ${image}`,
      () => whyNot(msb, image),
      (why) => why === '',
    )
    if (problem !== '') return refused(`microsandbox starts no machine: ${problem}.`, 'msb doctor says more; or take QEMU.')
    await removeOrphans(msb)
    return tierPlan(msb, options)
  },
}

/** What it says of itself, and then the only proof: a machine that runs something. @returns '' when that worked */
async function whyNot(msb: string, image: string): Promise<string> {
  const doctor = await runOnHost(msb, ['doctor'], { env: environment() })
  if (doctor.exitCode !== 0) return complaints(`${doctor.stdout}\n${doctor.stderr}`) || 'its doctor is not content'
  const machine = { ...smallest, name: nextName(), image, program: ['node', '--version'] }
  try {
    for (const args of [createArguments(machine)!, execArguments(machine)]) {
      const { exitCode, stdout, stderr } = await runOnHost(msb, args, { env: environment(), timeoutMs: bootTimeoutMs })
      if (exitCode !== 0) return complaints(stderr) || 'a first one ended at once'
      if (args[0] === 'exec')
        return /^v(?:2[4-9]|[3-9]\d)\./m.test(stdout) ? '' : `its image has no Node 24 (${stdout.trim().slice(0, 20)})`
    }
    return ''
  } finally {
    await remove(msb, machine.name)
  }
}

/** A machine is no child of ours: one that a killed kernel has left is found by its name. */
async function removeOrphans(msb: string): Promise<void> {
  const { stdout } = await runOnHost(msb, listArguments, { env: environment() })
  for (const name of stdout.split('\n')) if (isOrphan(name)) await remove(msb, name)
}

async function remove(msb: string, name: string): Promise<void> {
  await runOnHost(msb, removeArguments(name), { env: environment() })
}

const smallest: Omit<MsbStart, 'name' | 'image' | 'program'> = {
  mounts: [],
  memoryMb: minMachineMb,
  processors: 1,
  processes: 64,
  maxFileMb: 1,
  user: sandboxUid,
  diskMb: null,
}

function tierPlan(msb: string, options: TierOptions): TierPlan {
  const { folders, limits } = options
  const { enter } = createEntrance(folders)
  return {
    provider: 'microsandbox',
    profiles: ['work', 'vault-read'],
    limits: [
      'network: none',
      `memory: ${Math.max(limits.memory_mb, minMachineMb)} MB for the machine`,
      `processors: ${Math.ceil(limits.cpus ?? 1)}`,
      `processes: ${limits.max_processes}`,
      `largest file: ${limits.max_file_mb} MB`,
      limits.disk_mb === null ? 'disk: no limit in all, sandbox.disk_mb is not set' : `disk: ${limits.disk_mb} MB for each folder`,
    ],
    degraded: options.egressSocket === undefined ? [] : ['network: profiles online and browser are missing in a micro VM'],
    async start(profile) {
      const leave = await enter(profile)
      try {
        return await startIn(msb, options, profile, leave)
      } catch (error) {
        leave()
        throw error
      }
    },
    close: () => Promise.resolve(),
  }
}

async function startIn(msb: string, options: TierOptions, profile: Profile, leave: () => void): Promise<HandsProcess> {
  const { folders, limits } = options
  const program = keepFile(join(options.cacheFolder, 'hands-msb', 'hands.cjs'), loadHandsProgram(findHandsEntry()))
  const work: readonly MsbMount[] = [
    { host: folders.shared, inside: '/shared', writable: true },
    { host: folders.tmp, inside: '/tmp', writable: true },
  ]
  const seen = profile === 'vault-read' ? [{ host: folders.vault, inside: '/vault', writable: false }] : work
  const name = nextName()
  const start: MsbStart = {
    name,
    image: limits.micro_vm.image,
    mounts: [...seen, { host: join(program, '..'), inside: insideFolder, writable: false }],
    memoryMb: Math.max(limits.memory_mb, minMachineMb),
    processors: Math.ceil(limits.cpus ?? 1),
    processes: limits.max_processes,
    maxFileMb: limits.max_file_mb,
    user: sandboxUid,
    diskMb: limits.disk_mb,
    program: ['node', `${insideFolder}/hands.cjs`, ...(profile === 'vault-read' ? ['--vault'] : ['--alone'])],
  }
  const args = createArguments(start)
  if (args === null) {
    throw new OxbowError('sandbox_missing', 'The path of the workspace cannot be said to microsandbox.', {
      hint: 'Use one without colons and commas.',
    })
  }
  const created = await runOnHost(msb, args, { env: environment(), timeoutMs: bootTimeoutMs })
  if (created.exitCode !== 0) {
    await remove(msb, name)
    throw new OxbowError('sandbox_failed', `The machine did not start: ${complaints(created.stderr) || 'it ended at once'}.`, {
      hint: 'msb doctor says more; or take QEMU.',
    })
  }
  const child = spawnWithStreams(msb, execArguments(start), {
    cwd: '/',
    env: environment(),
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })
  // The machine is no child of the client: it is removed by its name.
  const gone = exited.then(() => remove(msb, name)).then(leave)
  const diagnostics = collectDiagnostics(child.stderr!)
  return attachHands({
    input: child.stdin!,
    output: child.stdout!,
    diagnostics: () => complaints(diagnostics()),
    exited,
    gone,
    kill: () => void child.kill('SIGKILL'),
    startTimeoutMs: bootTimeoutMs,
  })
}

/** Its images and machines are below the home folder. Nothing else of our environment is its business. */
function environment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    ...(process.env['MSB_HOME'] !== undefined && { MSB_HOME: process.env['MSB_HOME'] }),
  }
}

function nextName(): string {
  return containerName(process.hrtime.bigint().toString(36))
}

function refused(what: string, hint: string): Failure {
  return { code: 'sandbox_missing', message: `No micro VM: ${what}`, hint }
}

/** The command lines of `msb`, the program of microsandbox 0.6. */

export interface MsbMount {
  readonly host: string
  readonly inside: string
  readonly writable: boolean
}

export interface MsbStart {
  readonly name: string
  /** An OCI image with Node 24 as `node`, or a folder that is a root. */
  readonly image: string
  readonly mounts: readonly MsbMount[]
  readonly memoryMb: number
  readonly processors: number
  readonly processes: number
  readonly maxFileMb: number
  /** Uid and gid inside, to which the files of the mounts seem to belong. */
  readonly user: number
  /** Most bytes of what is written in each folder; null for no limit. */
  readonly diskMb: number | null
  readonly program: readonly string[]
}

/** By which what a killed kernel has left is found. */
const msbLabel = 'app=oxbow'

/**
 * A machine that waits for `execArguments`: `msb run` reads its input to the end before it starts a program, which hands cannot live with.
 * @returns null where a path cannot be said to `msb`, which splits its mounts at colons and commas
 */
export function createArguments(start: MsbStart): readonly string[] | null {
  const paths = start.mounts.flatMap(({ host, inside }) => [host, inside])
  if (paths.some((path) => /[:,\n]/.test(path))) return null
  return [
    ['create', '--name', start.name, '--label', msbLabel, '--quiet', '--pull', 'never', '--no-net'],
    ['--cpus', String(start.processors), '--memory', `${start.memoryMb}M`, '--hostname', 'oxbow'],
    ['--security', 'restricted', '--user', owner(start)],
    start.mounts.flatMap((mount) => ['--mount-dir', mountOf(mount, start)]),
    [start.image],
  ].flat()
}

/** Runs its program in the machine of that name, with the streams of both joined byte by byte. */
export function execArguments(start: Omit<MsbStart, 'image' | 'mounts' | 'memoryMb' | 'processors' | 'diskMb'>): readonly string[] {
  return [
    ['exec', '--stream', '--quiet', '--user', owner(start)],
    ['--rlimit', `nproc=${Math.min(start.processes, containerProcessLimit)}`, '--rlimit', `nofile=${maxOpenFiles}`],
    ['--rlimit', `fsize=${start.maxFileMb * 1024 * 1024}`],
    [start.name, '--', ...start.program],
  ].flat()
}

/** Names of the machines of this and of other kernels, one a line. */
export const listArguments: readonly string[] = ['list', '--quiet', '--label', msbLabel]

function owner({ user }: Pick<MsbStart, 'user'>): string {
  return `${user}:${user}`
}

function mountOf({ host, inside, writable }: MsbMount, { user, diskMb }: MsbStart): string {
  if (!writable) return `${host}:${inside}:ro`
  const quota = diskMb === null ? [] : [`quota=${diskMb}M`]
  return [host, inside, ['nosuid', 'nodev', ...quota, `uid=${user}`, `gid=${user}`].join(',')].join(':')
}

export function removeArguments(name: string): readonly string[] {
  return ['remove', '--force', '--quiet', name]
}

/** @param text what `msb doctor` says. @returns its complaints in one line, without paths of the host */
export function complaints(text: string): string {
  const lines = text.split('\n').filter((line) => /^error: |^\s*→ /.test(line))
  return lines
    .map((line) => line.replace(/^error: |^\s*→ /, '').replace(/\/(?!proc\/|dev\/)[^\s]*\/[^\s]*/g, '…'))
    .join('; ')
    .slice(0, 400)
}

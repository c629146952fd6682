/**
 * The second provider of micro VMs: microsandbox, which uses KVM, HVF (macOS) or WHP (Windows). Used only if `msb doctor` succeeds and a
 * machine has actually started; that result is cached until the host reboots.
 *
 * The workspace is not copied: microsandbox's file service exposes the folders themselves. QEMU isolates the host's file system better.
 */
import { join } from 'node:path'
import { type Failure, OxbowError, truncate } from '../../base/index.ts'
import type { Lack, Profile } from '../../protocol/index.ts'
import { loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { containerName, isOrphan } from '../container/container-process.ts'
import { attachHands, collectDiagnostics, type HandsProcess, spawnWithStreams } from '../hands/hands-process.ts'
import { findProgram, runOnHost } from '../host-programs.ts'
import { bootId, keepFile, keptAnswer } from '../kept-files.ts'
import { bootTimeoutMs, containerProcessLimit, maxOpenFiles } from '../limits.ts'
import { noBrowserInVm, sandboxUid, type TierOptions, type TierPlan, type TierProvider } from '../tier-plan.ts'
import { createEntrance } from '../workspace-entrance.ts'

/** In no image: a mount would hide an existing folder. */
const insideFolder = '/opt/oxbow-hands'
/** The kernel and Node of the guest alone need this much. */
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
    if (problem !== '') return refused(`microsandbox starts no machine: ${problem}.`, 'Run msb doctor for details, or use QEMU.')
    await removeOrphans(msb)
    return tierPlan(msb, options)
  },
}

/** Runs its doctor, then a machine, which is the only proof. @returns '' when both succeed */
async function whyNot(msb: string, image: string): Promise<string> {
  const doctor = await runOnHost(msb, ['doctor'], { env: environment() })
  if (doctor.exitCode !== 0) return complaints(`${doctor.stdout}\n${doctor.stderr}`) || 'msb doctor fails'
  const machine = { ...smallest, name: nextName(), image, program: ['node', '--version'] }
  try {
    for (const args of [createArguments(machine)!, execArguments(machine)]) {
      const { exitCode, stdout, stderr } = await runOnHost(msb, args, { env: environment(), timeoutMs: bootTimeoutMs })
      if (exitCode !== 0) return complaints(stderr) || 'a test machine exited at once'
      if (args[0] === 'exec')
        return /^v(?:2[4-9]|[3-9]\d)\./m.test(stdout) ? '' : `its image has no Node 24 (${stdout.trim().slice(0, 20)})`
    }
    return ''
  } finally {
    await remove(msb, machine.name)
  }
}

/** Removes the machines of killed kernels. They are no child processes, so they are found by name. */
async function removeOrphans(msb: string): Promise<void> {
  const { stdout } = await runOnHost(msb, listArguments, { env: environment() })
  for (const name of stdout.split('\n')) if (isOrphan(name)) await remove(msb, name)
}

async function remove(msb: string, name: string): Promise<void> {
  await runOnHost(msb, removeArguments(name), { env: environment() })
}

const noNetwork: Lack = {
  why: 'machines of microsandbox do not have',
  hint: 'Set sandbox.micro_vm.provider = "qemu", whose machines have a way to the web.',
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
    lacking: { online: noNetwork, browser: noBrowserInVm },
    limits: [
      'network: none',
      `memory: ${Math.max(limits.memory_mb, minMachineMb)} MB for the machine`,
      `processors: ${Math.ceil(limits.cpus ?? 1)}`,
      `processes: ${limits.max_processes}`,
      `largest file: ${limits.max_file_mb} MB`,
      limits.disk_mb === null ? 'disk: no limit in all, sandbox.disk_mb is not set' : `disk: ${limits.disk_mb} MB for each folder`,
    ],
    degraded: [],
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
  const program = keepFile(join(options.cacheFolder, 'hands-msb', 'hands.cjs'), await loadHandsProgram())
  const work: readonly MsbMount[] = [
    { host: folders.shared, inside: '/shared', writable: true },
    { host: folders.tmp, inside: '/tmp', writable: true },
    ...(folders.skills === undefined ? [] : [{ host: folders.skills, inside: '/skills', writable: false }]),
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
    throw new OxbowError('sandbox_missing', 'microsandbox cannot take the path of this workspace.', {
      hint: 'Use a path without colons and commas.',
    })
  }
  const created = await runOnHost(msb, args, { env: environment(), timeoutMs: bootTimeoutMs })
  if (created.exitCode !== 0) {
    await remove(msb, name)
    throw new OxbowError('sandbox_failed', `The machine did not start: ${complaints(created.stderr) || 'it exited at once'}.`, {
      hint: 'Run msb doctor for details, or use QEMU.',
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
  // The machine is not a child of the client: it is removed by name.
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

/** Its images and machines are below the home folder. It gets nothing else of our environment. */
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

// The command lines of `msb`, the program of microsandbox 0.6.

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
  /** Uid and gid inside, which also own the files of the mounts there. */
  readonly user: number
  /** Quota of each folder; null for no limit. */
  readonly diskMb: number | null
  readonly program: readonly string[]
}

/** Label by which machines of killed kernels are found. */
const msbLabel = 'app=oxbow'

/**
 * A machine that waits for `execArguments`: `msb run` reads its input to the end before it starts a program, which hands cannot do.
 * @returns null for a path with a colon or comma, at which `msb` splits its mounts
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

/** Runs a program in the machine of that name, with its streams connected. */
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

/** Arguments of `msb` that remove a machine. */
export function removeArguments(name: string): readonly string[] {
  return ['remove', '--force', '--quiet', name]
}

/** @param text output of `msb doctor`. @returns its complaints in one line, without paths of the host */
export function complaints(text: string): string {
  const lines = text.split('\n').filter((line) => /^error: |^\s*→ /.test(line))
  const shown = lines.map((line) => line.replace(/^error: |^\s*→ /, '').replace(/\/(?!proc\/|dev\/)[^\s]*\/[^\s]*/g, '…'))
  return truncate(shown.join('; '), 400)
}

/**
 * The second provider of machines: microsandbox, which takes KVM, HVF (macOS) or WHP (Windows). Chosen only where its own doctor is
 * content and a machine of it has really started; that answer is kept until the next start of this machine.
 *
 * The workspace is not copied: the folders themselves are shown, by its file service. Whoever wants the wall of micro-vm/ between
 * a hostile guest and the host's file system takes QEMU.
 */
import { join } from 'node:path'
import type { Failure, Profile } from '../../types/index.ts'
import { OxbowError } from '../../types/index.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { containerName, isOrphan } from '../container/container-remains.ts'
import { keepFile } from '../container/kept-file.ts'
import { attachHands, collectDiagnostics, spawnWithStreams } from '../hands/hands-process.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { runOnHost } from '../image/host-command.ts'
import { bootId, keptAnswer } from '../kept-answer.ts'
import { bootTimeoutMs } from '../limits.ts'
import type { TierOptions, TierPlan, TierProvider } from '../tier-plan.ts'
import { createEntrance } from '../workspace-entrance.ts'
import { sandboxUid } from '../bubblewrap/launch-command.ts'
import { findProgram } from '../bubblewrap/sandbox-tools.ts'
import { complaints, createArguments, execArguments, listArguments, removeArguments } from './msb-command.ts'
import type { MsbMount, MsbStart } from './msb-command.ts'

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

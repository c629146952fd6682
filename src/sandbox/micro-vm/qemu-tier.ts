/**
 * The strongest tier: hands in a virtual machine with its own kernel. QEMU itself runs inside the launcher of the process tier. Every
 * start restores a snapshot; the first start of a configuration boots a machine and makes that snapshot.
 */
import { dirname, join } from 'node:path'
import { type Failure, OxbowError } from '../../base/index.ts'
import type { Profile } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { type BubblewrapPlan, planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { kvmProbeMs, machineDiskMb } from '../limits.ts'
import { noBrowserInVm, type TierOptions, type TierPlan, type TierProvider } from '../tier-plan.ts'
import { type Accelerator, findAccelerator, hostFacts } from './accelerator.ts'
import type { GuestSettings } from './guest-init.ts'
import { sandboxUser } from './launched-program.ts'
import { openProgramMachines } from './program-machine.ts'
import { machineBoots, machineSnapshot, type SnapshotParts } from './machine-snapshot.ts'
import { openMachineWorkspace, type WorkMachine } from './machine-workspace.ts'
import { type Machine, startMachine } from './machine.ts'
import { findVmImage, holdsHands, imagesName, type MachinePrograms, type MachineShape, microVmPrograms } from './qemu-command.ts'

export const qemuTier: TierProvider = {
  tier: 'micro_vm',
  async plan(options) {
    const launcher = await planBubblewrap(options.searchPath)
    if ('code' in launcher) return launcher
    const programs = microVmPrograms(options.searchPath)
    if ('code' in programs) return programs
    const configured = options.limits.micro_vm.image
    const image = await findVmImage(configured === '' ? join(options.imageFolder, imagesName) : configured)
    if (image === null) return noImage(configured)
    if (!(await holdsHands(image, await loadHandsProgram()))) return otherImage
    const partsOf = (accel: MachineShape['accel'], tscKhz: number, profile: GuestSettings['profile']): SnapshotParts => ({
      launcher,
      qemu: programs.qemu,
      image,
      shape: { accel, tscKhz, ...sizeOf(options.limits), settings: settingsOf(options, profile) },
      diskMb: options.limits.disk_mb ?? machineDiskMb,
    })
    const accelerator = await findAccelerator({
      asked: options.limits.micro_vm.accel,
      folder: options.imageFolder,
      ...hostFacts(),
      boots: (tscKhz) => machineBoots(partsOf('kvm', tscKhz, 'work'), kvmProbeMs),
    })
    return tierPlan(options, launcher, programs, accelerator, (profile) => partsOf(accelerator.accel, accelerator.tscKhz, profile))
  },
}

const snapshotsName = 'snapshots'

function tierPlan(
  options: TierOptions,
  launcher: BubblewrapPlan,
  { mke2fs }: MachinePrograms,
  { accel, reason }: Accelerator,
  partsOf: (profile: GuestSettings['profile']) => SnapshotParts,
): TierPlan {
  // Next to the image, with the same lifetime.
  const snapshots = join(dirname(partsOf('work').image), snapshotsName)
  const workspace = openMachineWorkspace({ ...options, launcher, mke2fs, diskMb: partsOf('work').diskMb })
  const { egressSocket, logger } = options
  const startIn =
    (profile: GuestSettings['profile']) =>
    async (diskFolder: string): Promise<Machine> => {
      const parts = partsOf(profile)
      return startMachine({ ...parts, diskFolder }, await machineSnapshot(parts, snapshots), logger)
    }
  const programs = openProgramMachines({ ...options, launcher, mke2fs, diskMb: partsOf('work').diskMb }, startIn('program'))
  const machine = shareMachine(() => workspace.startWork(startIn('work')))
  return {
    provider: accel === 'kvm' ? 'QEMU, KVM' : 'QEMU, emulated',
    profiles: egressSocket === undefined ? ['work', 'vault-read'] : ['work', 'online', 'vault-read'],
    lacking: { browser: noBrowserInVm },
    limits: limitsInForce(options.limits, partsOf('work')),
    degraded: reason === '' ? [] : [`speed: emulated, about 50 times slower: ${reason}`],
    mounts: 'writable',
    serve: (server) => programs(server),
    async start(profile) {
      if (profile === 'vault-read') return workspace.startVault(startIn(profile))
      if (profile === 'work') return machine()
      if (profile !== 'online' || egressSocket === undefined) throw notOffered(profile)
      const socket = await egressSocket(profile)
      const { online, egress, isOpen, kill } = await machine()
      egress!.open(socket)
      return { hands: online!, isOpen, kill }
    },
    close: () => Promise.resolve(),
  }
}

/**
 * Hands of `work` and of `online` share one machine and its disk, so each sees the other's writes at once.
 * @returns a function that starts it if none is running, or agents may change other folders now; the next one starts when the previous one has
 * answered and ended
 */
function shareMachine(start: () => Promise<WorkMachine>): () => Promise<WorkMachine> {
  let current: Promise<WorkMachine> | null = null
  const next = async (running: WorkMachine | null | undefined): Promise<WorkMachine> => {
    if (running?.isOpen() === true) await running.idle()
    await running?.kill()
    return start()
  }
  return async () => {
    const before = current
    const running = await before?.catch(() => null)
    if ((running?.isOpen() !== true || !running.hasFolders()) && current === before) current = next(running)
    return current!
  }
}

function sizeOf({ memory_mb: memoryMb, cpus }: Config['sandbox']): Pick<MachineShape, 'memoryMb' | 'processors'> {
  return { memoryMb: Math.max(memoryMb, minMachineMb), processors: Math.ceil(cpus ?? 1) }
}

/** The kernel and Node of the guest alone need this much. */
const minMachineMb = 256

function settingsOf({ limits, egressSocket }: TierOptions, profile: GuestSettings['profile']): GuestSettings {
  const online = profile !== 'vault-read' && egressSocket !== undefined
  return { profile, online, uid: sandboxUser(), processes: limits.max_processes, maxFileMb: limits.max_file_mb }
}

function limitsInForce(limits: Config['sandbox'], { shape, diskMb }: SnapshotParts): readonly string[] {
  return [
    `network: ${shape.settings.online ? 'none but the egress proxy, for calls that may use it' : 'none'}`,
    `memory: ${shape.memoryMb} MB for the machine`,
    `processors: ${shape.processors}`,
    `disk: ${diskMb} MB for the workspace and /tmp`,
    `processes: ${limits.max_processes}`,
    `largest file: ${limits.max_file_mb} MB`,
    'files: a copy, brought in step with your folders before and after each call, and every 2 s while something runs',
  ]
}

function noImage(configured: string): Failure {
  return {
    code: 'sandbox_missing',
    message: configured === '' ? 'No micro VM: its image has not been built.' : 'No micro VM: sandbox.micro_vm.image is not an image.',
    hint: 'Build it with: oxbow image build --vm',
  }
}

const otherImage: Failure = {
  code: 'sandbox_missing',
  message: 'No micro VM: its image was built by another version of Oxbow.',
  hint: 'Rebuild it with: oxbow image build --vm',
}

function notOffered(profile: Profile): OxbowError {
  return new OxbowError('sandbox_missing', `A micro VM has no profile "${profile}".`, {
    hint: 'Use the process or the container tier for it.',
  })
}

/**
 * The strongest tier: hands in a machine of their own, with a kernel of their own, under QEMU, which itself runs inside the
 * launcher of the process tier. Every start wakes a frozen machine; the first one of a configuration boots and freezes it.
 */
import { dirname, join } from 'node:path'
import type { Config, Failure, Profile } from '../../types/index.ts'
import { OxbowError } from '../../types/index.ts'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { kvmProbeMs, machineDiskMb } from '../limits.ts'
import { isPlan } from '../tier-plan.ts'
import type { TierOptions, TierPlan, TierProvider } from '../tier-plan.ts'
import { findAccelerator, hostFacts } from './accelerator.ts'
import type { Accelerator } from './accelerator.ts'
import type { GuestSettings } from './image/guest-init.ts'
import { findVmImage, holdsHands, imagesName } from './image/image-folder.ts'
import { startMachine } from './machine.ts'
import type { Machine } from './machine.ts'
import { machineBoots, machineSnapshot } from './machine-snapshot.ts'
import type { SnapshotParts } from './machine-snapshot.ts'
import { microVmPrograms } from './machine-programs.ts'
import type { MachinePrograms } from './machine-programs.ts'
import type { MachineShape } from './qemu-command.ts'
import { sandboxUser } from './workspace/disk-image.ts'
import { openMachineWorkspace } from './workspace/machine-workspace.ts'

export const microVmTier: TierProvider = {
  tier: 'micro_vm',
  async plan(options) {
    const { provider } = options.limits.micro_vm
    const second = async (): Promise<TierPlan | Failure> =>
      (await import('../microsandbox/microsandbox-tier.ts')).microsandboxTier.plan(options)
    if (provider === 'microsandbox') return second()
    const first = await qemuTier.plan(options)
    if (provider === 'qemu' || isPlan(first)) return first
    const other = await second()
    // Whoever has neither is told of the one that this page is about.
    return isPlan(other) ? other : first
  },
}

const qemuTier: TierProvider = {
  tier: 'micro_vm',
  async plan(options) {
    const launcher = await planBubblewrap(options.searchPath)
    if ('code' in launcher) return launcher
    const programs = microVmPrograms(options.searchPath)
    if ('code' in programs) return programs
    const asked = options.limits.micro_vm.image
    const image = await findVmImage(asked === '' ? join(options.imageFolder, imagesName) : asked)
    if (image === null) return noImage(asked)
    if (!(await holdsHands(image, loadHandsProgram(findHandsEntry())))) return otherImage
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
  // Beside the image: who has one has the other.
  const snapshots = join(dirname(partsOf('work').image), snapshotsName)
  const workspace = openMachineWorkspace({ ...options, launcher, mke2fs, diskMb: partsOf('work').diskMb })
  const { egressSocket, logger } = options
  const startIn =
    (profile: GuestSettings['profile']) =>
    async (diskFolder: string): Promise<Machine> => {
      const parts = partsOf(profile)
      return startMachine({ ...parts, diskFolder }, await machineSnapshot(parts, snapshots), logger)
    }
  const machine = shareMachine(() => workspace.startWork(startIn('work')))
  return {
    provider: accel === 'kvm' ? 'QEMU, KVM' : 'QEMU, emulated',
    profiles: egressSocket === undefined ? ['work', 'vault-read'] : ['work', 'online', 'vault-read'],
    limits: limitsInForce(options.limits, partsOf('work')),
    degraded: reason === '' ? [] : [`speed: emulated, some 50 times slower, for ${reason}`],
    async start(profile) {
      if (profile === 'vault-read') return workspace.startVault(startIn(profile))
      if (profile === 'work') return machine()
      if (profile !== 'online' || egressSocket === undefined) throw notOffered(profile)
      const socket = await egressSocket(profile)
      const { online, isOpen, kill } = await machine()
      online!.way.open(socket)
      return { hands: online!.hands, isOpen, kill }
    },
    close: () => Promise.resolve(),
  }
}

/**
 * Hands of `work` and of `online` are in one machine, over one disk: what the one writes the other one reads at once.
 * @returns a function that starts it where none runs; the next one starts when the one before has ended
 */
function shareMachine(start: () => Promise<Machine>): () => Promise<Machine> {
  let current: Promise<Machine> | null = null
  return async () => {
    const known = current
    const running = await known?.catch(() => null)
    if (running?.isOpen() !== true && current === known) current = Promise.resolve(running?.kill()).then(start)
    return current!
  }
}

function sizeOf({ memory_mb: memoryMb, cpus }: Config['sandbox']): Pick<MachineShape, 'memoryMb' | 'processors'> {
  return { memoryMb: Math.max(memoryMb, minMachineMb), processors: Math.ceil(cpus ?? 1) }
}

/** The kernel and Node of the guest need this much before anything is done. */
const minMachineMb = 256

function settingsOf({ limits, egressSocket }: TierOptions, profile: GuestSettings['profile']): GuestSettings {
  const online = profile === 'work' && egressSocket !== undefined
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
  ]
}

function noImage(asked: string): Failure {
  return {
    code: 'sandbox_missing',
    message: asked === '' ? 'No micro VM: its image was not built yet.' : 'No micro VM: sandbox.micro_vm.image names no image.',
    hint: 'Build it with: oxbow image build --vm',
  }
}

const otherImage: Failure = {
  code: 'sandbox_missing',
  message: 'No micro VM: its image was built by another version of Oxbow.',
  hint: 'Build it anew with: oxbow image build --vm',
}

function notOffered(profile: Profile): OxbowError {
  return new OxbowError('sandbox_missing', `A micro VM has no profile "${profile}".`, {
    hint: 'Use the process or the container tier for it.',
  })
}

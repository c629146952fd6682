/**
 * Boots a machine whose processor is emulated, and gives what it says line by line. Its clock counts instructions, not the time of
 * this machine: every time limit inside means the same under any load here, and nothing has to be tuned for slowness.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { packInitramfs } from '../../src/sandbox/micro-vm/vm-image.ts'

/** What is different between processors. */
export interface MachineModel {
  readonly qemu: string
  readonly arguments: readonly string[]
  /** For the end of the kernel's command line. */
  readonly console: string
  /** False: it uses this machine's clock. */
  readonly hasOwnClock?: boolean
  /** More than one only with this machine's clock. */
  readonly processors?: number
}

export interface MachineParts {
  readonly model: MachineModel
  /** A folder of our own: the disk and the first files are made in it. */
  readonly folder: string
  readonly kernel: string
  readonly modules: readonly { readonly name: string; readonly data: Buffer }[]
  /** Busybox of the machine's processor. */
  readonly busybox: string
  readonly init: string
  /** Becomes the root file system, on a disk that goes with the machine; or one that `makeDisk` has made, which stays. */
  readonly tree?: string
  readonly disk?: string
  readonly signal: AbortSignal
  /** When given, the root can be written, and is of that size. */
  readonly writableMb?: number
}

const memoryMb = 2_048
const diskMb = 512
/** Code that was translated is kept up to this: Node with its own compiler needs much. */
const translationMb = 512

/** Two to this power nanoseconds pass with each instruction: a machine of 125 million a second, about what an emulator does. */
const clockShift = 3

export const x64Machine: MachineModel = {
  qemu: 'qemu-system-x86_64',
  arguments: ['-M', 'microvm,acpi=on,rtc=on,pit=on', '-cpu', 'qemu64,+rdrand', '-global', 'virtio-mmio.force-legacy=false'],
  // The clock of such a machine counts nanoseconds; guards against leaks between processes have nothing to guard here.
  console: 'ttyS0 reboot=t tsc_early_khz=1000000 tsc=reliable mitigations=off nopti nokaslr no_timer_check',
}

/** @param more for mke2fs */
export async function makeDisk(
  disk: string,
  tree: string,
  megabytes: number,
  more: readonly string[] = ['-O', '^has_journal'],
): Promise<void> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` }
  await promisify(execFile)('mke2fs', ['-q', '-t', 'ext4', ...more, '-b', '4096', '-m', '0', '-d', tree, disk, `${megabytes}M`], { env })
}

/** Ends when the machine does, or at the signal. @throws Error that holds what the kernel said, when it could not be started. */
export async function* bootMachine(parts: MachineParts): AsyncGenerator<string, void> {
  const { folder, signal, model } = parts
  const disk = parts.disk ?? join(folder, 'root.ext4')
  const initramfs = join(folder, 'initramfs.gz')
  if (parts.disk === undefined) await makeDisk(disk, parts.tree!, parts.writableMb ?? diskMb)
  await writeFile(initramfs, await firstFiles(parts))
  const serial = join(folder, 'serial.log')
  const child = spawn('nice', ['-n', '10', model.qemu, ...model.arguments, ...commonArguments(parts, initramfs, disk, serial)], {
    // Standard input stays open: at its end the machine would take us for gone and say nothing more.
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: 'SIGKILL',
  })
  let complaints = ''
  child.stderr.on('data', (bytes: Buffer) => (complaints += bytes.toString()))
  child.on('error', () => undefined)
  const ended = once(child, 'close').catch(() => undefined)
  yield* createInterface({ input: child.stdout })
  await ended
  if (parts.disk === undefined) await rm(disk, { force: true })
  if (child.exitCode === 0) return
  const said = await readFile(serial, 'utf8').catch(() => '')
  throw new Error(`The machine did not end well (${signal.aborted ? 'time is over' : child.exitCode}): ${complaints} ${said.slice(-2_000)}`)
}

function commonArguments(
  { kernel, writableMb, disk: kept, model: { console, hasOwnClock = true, processors = 1 } }: MachineParts,
  initramfs: string,
  disk: string,
  serial: string,
): readonly string[] {
  const access = writableMb === undefined && kept === undefined ? ',readonly=on' : ''
  return [
    ['-nodefaults', '-no-user-config', '-nographic', '-no-reboot', '-serial', `file:${serial}`],
    ['-accel', `tcg,tb-size=${translationMb}`, '-smp', String(processors), '-m', String(memoryMb)],
    hasOwnClock ? ['-icount', `shift=${clockShift}`] : [],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ['-kernel', kernel, '-initrd', initramfs],
    ['-append', `quiet panic=-1 apparmor=0 audit=0 cryptomgr.notests console=${console}`],
    ['-drive', `id=root,file=${disk},format=raw,if=none${access}`, '-device', 'virtio-blk-device,drive=root'],
    ['-device', 'virtio-serial-device', '-chardev', 'stdio,id=out,signal=off', '-device', 'virtserialport,chardev=out,name=oxbow.out'],
  ].flat()
}

async function firstFiles({ busybox, init, modules }: MachineParts): Promise<Buffer> {
  return packInitramfs(
    ['bin', 'modules', 'proc', 'sys', 'dev', 'root'],
    [
      { path: 'bin/busybox', data: await readFile(busybox), mode: 0o755 },
      ...modules.map(({ name, data }) => ({ path: `modules/${name}.ko`, data, mode: 0o644 })),
      { path: 'init', data: Buffer.from(init), mode: 0o755 },
    ],
  )
}

/**
 * The start of a machine: its programs and image, and the command line of QEMU. It has a processor, memory, two disks and two serial ports
 * (more with network access, or for a program), and nothing else: no network, no display, no hotplug bus.
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Failure } from '../../base/index.ts'
import { findProgram } from '../host-programs.ts'
import { translationMb } from '../limits.ts'
import { guestArguments, type GuestSettings, handsPort, portsOf } from './guest-init.ts'

/** Absolute paths. */
export interface MachinePrograms {
  readonly qemu: string
  readonly mke2fs: string
}

/** @returns the programs, or why there is no machine and what to install. */
export function microVmPrograms(searchPath: string): MachinePrograms | Failure {
  const qemu = findProgram('qemu-system-x86_64', searchPath)
  const mke2fs = findProgram('mke2fs', searchPath)
  if (process.arch === 'x64' && qemu !== null && mke2fs !== null) return { qemu, mke2fs }
  if (process.arch !== 'x64') {
    return {
      code: 'sandbox_missing',
      message: `No micro VM on ${process.arch} yet: its image is made for x86_64.`,
      hint: 'Set sandbox.tier = "container" or "process" in config.toml.',
    }
  }
  const missing = [qemu === null ? 'qemu-system-x86_64' : '', mke2fs === null ? 'mke2fs' : ''].filter(Boolean)
  return {
    code: 'sandbox_missing',
    message: `No micro VM: ${missing.join(' and ')} not installed.`,
    hint: 'Install with: apt-get install qemu-system-x86 e2fsprogs. QEMU uses KVM if available.',
  }
}

/** The files of an image, in a folder that is never changed after its rename. */
export const imageFiles = { kernel: 'vmlinux', initramfs: 'initramfs.gz', root: 'root.ext4' } as const
/** Identifies the hands in it: a hash of their program. */
export const handsMarkFile = 'hands.sha256'
/** Names of the programs in it that a person has chosen, separated by commas. */
export const extrasFile = 'with'
/** Where images are kept, in the image folder. */
export const imagesName = 'vm'
/** Contains the name of the latest image. */
export const currentName = 'current'

/** @param folder of an image, or one with images. @returns the image's own folder; null if no image is there. Never throws. */
export async function findVmImage(folder: string): Promise<string | null> {
  const isImage = (path: string): boolean => Object.values(imageFiles).every((name) => existsSync(join(path, name)))
  if (isImage(folder)) return folder
  try {
    const image = join(folder, (await readFile(join(folder, currentName), 'utf8')).trim())
    return isImage(image) ? image : null
  } catch {
    return null
  }
}

/** @param folder of an image. @returns bytes on disk: its root has holes */
export async function sizeOfImage(folder: string): Promise<number> {
  const files = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))))
  return files.reduce((sum, { blocks }) => sum + blocks * 512, 0)
}

export function handsMark(program: string): string {
  return createHash('sha256').update(program).digest('hex')
}

/** Hands and kernel speak one protocol: an image of another version must be rebuilt. Never throws. */
export async function holdsHands(image: string, program: string): Promise<boolean> {
  return readFile(join(image, handsMarkFile), 'utf8').then(
    (mark) => mark === handsMark(program),
    () => false,
  )
}

/** Properties that a machine and its snapshot must share. */
export interface MachineShape {
  readonly accel: 'kvm' | 'tcg'
  readonly memoryMb: number
  readonly processors: number
  /** Clock of the host's processor. */
  readonly tscKhz: number
  readonly settings: GuestSettings
}

/** Folders inside the launcher. */
export const insideImage = '/image'
export const insideDisk = '/disk'
export const diskFile = 'workspace.ext4'

interface Descriptors {
  /** The first of the sockets of `portsOf`, which follow each other. */
  readonly ports: number
  /** A snapshot to restore. */
  readonly incoming?: number
  /** A monitor, to make a snapshot. */
  readonly monitor?: number
}

/** Hands are connected to standard input and output. @param qemu absolute path */
export function qemuCommand(qemu: string, shape: MachineShape, descriptors: Descriptors): readonly string[] {
  const { ports, incoming, monitor } = descriptors
  const disk = (id: string, file: string, more: string): string[][] => [
    ['-drive', `id=${id},file=${file},format=raw,if=none${more}`],
    ['-device', `virtio-blk-device,drive=${id}`],
  ]
  const socketOf = (name: string, descriptor: number): string => `socket,id=${name},fd=${descriptor}`
  const port = (name: string, chardev: string): string[][] => [
    ['-chardev', chardev],
    ['-device', `virtserialport,chardev=${name},name=${name}`],
  ]
  const options: readonly string[][] = [
    ['-M', 'microvm,acpi=on,rtc=on,pit=on'],
    ['-nodefaults', '-no-user-config', '-nographic', '-no-reboot'],
    ['-serial', 'null'],
    // qemu64 starts fastest under emulation; rdrand makes the random generator of the guest ready at once.
    ['-accel', shape.accel === 'kvm' ? 'kvm' : `tcg,tb-size=${translationMb}`],
    ['-cpu', shape.accel === 'kvm' ? 'host' : 'qemu64,+rdrand'],
    ['-m', String(shape.memoryMb), '-smp', String(shape.processors)],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ['-kernel', `${insideImage}/${imageFiles.kernel}`],
    ['-initrd', `${insideImage}/${imageFiles.initramfs}`],
    ['-append', kernelArguments(shape)],
    ['-global', 'virtio-mmio.force-legacy=false'],
    ...disk('root', `${insideImage}/${imageFiles.root}`, ',readonly=on'),
    ...disk('workspace', `${insideDisk}/${diskFile}`, ''),
    ['-device', 'virtio-serial-device'],
    ...port(handsPort, `stdio,id=${handsPort},signal=off`),
    ...portsOf(shape.settings).flatMap((name, i) => port(name, socketOf(name, ports + i))),
    monitor === undefined ? [] : ['-chardev', `socket,id=monitor,fd=${monitor}`, '-mon', 'chardev=monitor,mode=control'],
    incoming === undefined ? [] : ['-incoming', `fd:${incoming}`],
  ]
  return [qemu, ...options.flat()]
}

/**
 * Under emulation the guest gets the clock as an argument: measuring it fails on a machine under load, and the guest then hangs.
 * Mitigations of side channels are disabled there too, because an emulated processor has none.
 */
function kernelArguments({ accel, tscKhz, settings }: MachineShape): string {
  const common = 'console=ttyS0 quiet panic=-1 reboot=t apparmor=0 audit=0 cryptomgr.notests'
  const emulated = `tsc_early_khz=${tscKhz} tsc=reliable mitigations=off nopti nokaslr no_timer_check`
  return [common, ...(accel === 'tcg' ? [emulated] : []), guestArguments(settings)].join(' ')
}

/**
 * The command line of QEMU. The machine has a processor, memory, two disks and two serial ports (four, with a way out), and nothing else: no network,
 * no display, no bus on which something could be plugged in.
 */
import { controlPort, egressPort, guestArguments, handsPort, onlinePort } from './image/guest-init.ts'
import { translationMb } from '../limits.ts'
import type { GuestSettings } from './image/guest-init.ts'
import { imageFiles } from './image/image-folder.ts'

/** What makes two machines the same to a snapshot. */
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

export interface Descriptors {
  readonly control: number
  /** Hands with a way out, and the way: where the settings have them. */
  readonly online?: number
  readonly egress?: number
  /** A snapshot to begin with. */
  readonly incoming?: number
  /** A monitor, for the one who makes a snapshot. */
  readonly monitor?: number
}

/** Hands are at standard input and output. @param qemu absolute path */
export function qemuCommand(qemu: string, shape: MachineShape, descriptors: Descriptors): readonly string[] {
  const { control, online, egress, incoming, monitor } = descriptors
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
    ...port(controlPort, socketOf(controlPort, control)),
    ...(online === undefined ? [] : port(onlinePort, socketOf(onlinePort, online))),
    ...(egress === undefined ? [] : port(egressPort, socketOf(egressPort, egress))),
    monitor === undefined ? [] : ['-chardev', `socket,id=monitor,fd=${monitor}`, '-mon', 'chardev=monitor,mode=control'],
    incoming === undefined ? [] : ['-incoming', `fd:${incoming}`],
  ]
  return [qemu, ...options.flat()]
}

/**
 * Under emulation the guest must be told the clock: measuring it fails on a machine under load, and the guest then hangs. Guards
 * against leaks between processes of one processor are left out there too, for an emulated processor has nothing to leak.
 */
function kernelArguments({ accel, tscKhz, settings }: MachineShape): string {
  const common = 'console=ttyS0 quiet panic=-1 reboot=t apparmor=0 audit=0 cryptomgr.notests'
  const emulated = `tsc_early_khz=${tscKhz} tsc=reliable mitigations=off nopti nokaslr no_timer_check`
  return [common, ...(accel === 'tcg' ? [emulated] : []), guestArguments(settings)].join(' ')
}

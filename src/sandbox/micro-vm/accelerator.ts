/** Detects whether a machine can use hardware virtualization here, or must be emulated. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../../config/index.ts'
import { bootId, keptAnswer } from '../kept-files.ts'
import { opensByGroup } from '../bubblewrap/launch-command.ts'
import { runOnHost } from '../host-programs.ts'

export interface Accelerator {
  readonly accel: 'kvm' | 'tcg'
  readonly tscKhz: number
  /** Why it is emulated; '' if it is not, or if that was configured. */
  readonly reason: string
}

export interface AcceleratorQuestion {
  readonly asked: Config['sandbox']['micro_vm']['accel']
  /** Where the result is cached until the next boot of the host, or until the permissions of /dev/kvm change. */
  readonly folder: string
  /** Text of `/proc/cpuinfo`. */
  readonly cpuinfo: string
  readonly bootId: string
  /** Permissions of /dev/kvm, as any text. */
  readonly device: string
  /** Boots a machine with KVM, the only proof. Some hosts have a /dev/kvm with which nothing boots. */
  boots(tscKhz: number): Promise<boolean>
}

/** Never throws. */
export function findAccelerator({ asked, folder, cpuinfo, device, boots, ...host }: AcceleratorQuestion): Promise<Accelerator> {
  const find = async (): Promise<Accelerator> => {
    const tscKhz = await clockOf(cpuinfo)
    if (asked === 'tcg') return { accel: 'tcg', tscKhz, reason: '' }
    if (asked === 'kvm') return { accel: 'kvm', tscKhz, reason: '' }
    if (!/^flags\s*:.*\b(?:vmx|svm)\b/m.test(cpuinfo)) return { accel: 'tcg', tscKhz, reason: 'the processor has no vmx or svm' }
    if (device === 'absent') return { accel: 'tcg', tscKhz, reason: '/dev/kvm does not exist: is the module kvm_intel or kvm_amd loaded?' }
    if (device.endsWith('closed')) return { accel: 'tcg', tscKhz, reason: notOpen }
    if (await boots(tscKhz)) return { accel: 'kvm', tscKhz, reason: '' }
    return { accel: 'tcg', tscKhz, reason: 'no machine boots with /dev/kvm here' }
  }
  return keptAnswer(join(folder, 'accelerator.json'), `${host.bootId} ${asked} ${device}`, find, () => true)
}

/** Applies to root too: QEMU runs without root's rights. */
const notOpen =
  '/dev/kvm cannot be opened: give it to the group kvm (chgrp kvm /dev/kvm, chmod 660), and add a user other than root to that group (usermod -aG kvm)'

/** The kernel log has the frequency of the time stamp counter; `cpu MHz` is the same if the frequency is constant. */
async function clockOf(cpuinfo: string): Promise<number> {
  const { stdout } = await runOnHost('dmesg', [])
  const detected = [...stdout.matchAll(/tsc: (?:Detected|Refined TSC clocksource calibration:) ([\d.]+) MHz/g)].at(-1)?.[1]
  const megahertz = Number(detected ?? /^cpu MHz\s*: ([\d.]+)/m.exec(cpuinfo)?.[1] ?? defaultMegahertz)
  return Math.round(megahertz * 1000)
}

/** If it is unknown. With a wrong value the guest starts, but its clock runs at the wrong speed. */
const defaultMegahertz = 2_500

/** @returns the facts of this host. */
export function hostFacts(): Pick<AcceleratorQuestion, 'cpuinfo' | 'bootId' | 'device'> {
  return { cpuinfo: readFileSync('/proc/cpuinfo', 'utf8'), bootId: bootId(), device: kvmUsers() }
}

/** @returns the permissions of /dev/kvm, and whether our machines may open it, as a text that changes with them. */
export function kvmUsers(): string {
  const device = '/dev/kvm'
  const stats = statSync(device, { throwIfNoEntry: false })
  if (stats === undefined) return 'absent'
  const { mode, uid, gid } = stats
  return `${mode.toString(8)} ${uid} ${gid} ${mayOpen(device, stats) ? 'open' : 'closed'}`
}

function mayOpen(device: string, { mode, gid }: Stats): boolean {
  // Root has switched to another uid by then: launch-command.ts.
  if (process.getuid?.() === 0) return (mode & 0o006) === 0o006 || opensByGroup({ mode, gid })
  try {
    accessSync(device, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

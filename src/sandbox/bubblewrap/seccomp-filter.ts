/**
 * Makes the seccomp program that bubblewrap loads: classic BPF, an array of 8-byte `sock_filter` (linux/filter.h) over
 * `struct seccomp_data` (linux/seccomp.h). It denies the system calls listed below, new namespaces, terminal injection and
 * socket families that pass a network namespace (AF_VSOCK does) or reach deep into the kernel.
 */
import { ownValue } from '../../base/index.ts'

// Instruction codes: load word, jump if equal / at or above / any bit set, return.
const load = 0x20
const ifEqual = 0x15
const ifAtLeast = 0x35
const ifAnyBit = 0x45
const giveBack = 0x06

// Offsets in seccomp_data; arguments are 64 bit, little-endian, and only their low word decides here.
const syscallNumber = 0
const architecture = 4
const firstArgument = 16
const secondArgument = 24

const allow = 0x7fff0000
const killProcess = 0x80000000
/** errno(3). */
const codes = { eperm: 1, enosys: 38, eafnosupport: 97 } as const
const errno = (code: number): number => 0x00050000 | code
const eperm = errno(codes.eperm)
const enosys = errno(codes.enosys)
const eafnosupport = errno(codes.eafnosupport)

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h). */
export const newNamespaces = 0x7e020000
/** TIOCSTI types into the terminal that started us, TIOCLINUX pastes into a console (asm-generic/ioctls.h). */
export const terminalInjection: readonly number[] = [0x5412, 0x541c]
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the last one lists network interfaces. */
export const socketFamilies: readonly number[] = [1, 2, 10, 16]

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

/** @returns the program for a processor, ready for `bwrap --seccomp`. */
export function seccompFilter(numbers: SyscallNumbers): Buffer {
  const program: Instruction[] = []
  const emit = (code: number, ifTrue: number, ifFalse: number, operand: number): void => {
    program.push([code, ifTrue, ifFalse, operand >>> 0])
  }
  /** Jumps over the next `skip` instructions when the loaded word is not this one. */
  const unless = (word: number, skip: number): void => emit(ifEqual, 0, skip, word)

  emit(load, 0, 0, architecture)
  emit(ifEqual, 1, 0, numbers.audit)
  emit(giveBack, 0, 0, killProcess)

  emit(load, 0, 0, syscallNumber)
  if (numbers.x32From !== null) {
    emit(ifAtLeast, 0, 1, numbers.x32From)
    emit(giveBack, 0, 0, enosys)
  }
  for (const number of numbers.denied) {
    unless(number, 1)
    emit(giveBack, 0, 0, eperm)
  }
  // Its flags are behind a pointer, which a filter cannot read; libc falls back to clone.
  unless(numbers.clone3, 1)
  emit(giveBack, 0, 0, enosys)

  unless(numbers.clone, 4)
  emit(load, 0, 0, firstArgument)
  emit(ifAnyBit, 0, 1, newNamespaces)
  emit(giveBack, 0, 0, eperm)
  emit(giveBack, 0, 0, allow)

  unless(numbers.ioctl, 5)
  emit(load, 0, 0, secondArgument)
  emit(ifEqual, 1, 0, terminalInjection[0]!)
  emit(ifEqual, 0, 1, terminalInjection[1]!)
  emit(giveBack, 0, 0, eperm)
  emit(giveBack, 0, 0, allow)

  unless(numbers.socket, socketFamilies.length + 3)
  emit(load, 0, 0, firstArgument)
  socketFamilies.forEach((family, i) => emit(ifEqual, socketFamilies.length - i, 0, family))
  emit(giveBack, 0, 0, eafnosupport)
  emit(giveBack, 0, 0, allow)

  emit(giveBack, 0, 0, allow)
  return assemble(program)
}

function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8)
  for (const [i, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    bytes.writeUInt16LE(code, i * 8)
    bytes.writeUInt8(ifTrue, i * 8 + 2)
    bytes.writeUInt8(ifFalse, i * 8 + 3)
    bytes.writeUInt32LE(operand, i * 8 + 4)
  }
  return bytes
}

// System calls that no tool needs and that widen the kernel's attack surface or undo a namespace. Linux uapi asm/unistd_64.h for x86_64
// and asm-generic/unistd.h for aarch64; from 424 on the numbers are the same everywhere.

/** Names with their number on x86_64 and on aarch64; null where the call does not exist. */
const denied: readonly (readonly [name: string, x64: number | null, arm64: number | null])[] = [
  // Other processes' memory.
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['process_madvise', 440, 440],
  ['kcmp', 312, 272],
  ['pidfd_getfd', 438, 438],
  // Kernel keyrings are not in a namespace.
  ['keyctl', 250, 219],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  // Message queues keep data that hands cannot list.
  ['mq_open', 240, 180],
  // Mounts and namespaces.
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['open_tree', 428, 428],
  ['move_mount', 429, 429],
  ['fsopen', 430, 430],
  ['fsconfig', 431, 431],
  ['fsmount', 432, 432],
  ['fspick', 433, 433],
  ['mount_setattr', 442, 442],
  ['open_tree_attr', 467, 467],
  ['setns', 308, 268],
  ['unshare', 272, 97],
  // Large and often broken parts of the kernel.
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['io_uring_setup', 425, 425],
  ['io_uring_enter', 426, 426],
  ['io_uring_register', 427, 427],
  ['vmsplice', 278, 75],
  ['fanotify_init', 300, 262],
  ['quotactl', 179, 60],
  ['quotactl_fd', 443, 443],
  // The machine itself.
  ['kexec_load', 246, 104],
  ['kexec_file_load', 320, 294],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['clock_settime', 227, 112],
  ['clock_adjtime', 305, 266],
  ['settimeofday', 164, 170],
  ['adjtimex', 159, 171],
  ['reboot', 169, 142],
  ['swapon', 167, 224],
  ['swapoff', 168, 225],
  ['acct', 163, 89],
  ['syslog', 103, 116],
  ['vhangup', 153, 58],
  ['sethostname', 170, 161],
  ['setdomainname', 171, 162],
  ['iopl', 172, null],
  ['ioperm', 173, null],
  ['modify_ldt', 154, null],
  // File handles bypass mounts; device nodes and FIFOs have no use here.
  ['name_to_handle_at', 303, 264],
  ['open_by_handle_at', 304, 265],
  ['mknod', 133, null],
  ['mknodat', 259, 33],
  // Memory placement and execution domains.
  ['mbind', 237, 235],
  ['set_mempolicy', 238, 237],
  ['set_mempolicy_home_node', 450, 450],
  ['migrate_pages', 256, 238],
  ['move_pages', 279, 239],
  ['personality', 135, 92],
]

/** Numbers of a processor architecture. `audit` is its AUDIT_ARCH constant. */
interface SyscallNumbers {
  readonly audit: number
  readonly denied: readonly number[]
  readonly clone: number
  readonly clone3: number
  readonly ioctl: number
  readonly socket: number
  /** x86_64 only: numbers from here on are the x32 variants of the same calls. */
  readonly x32From: number | null
}

/** The program for this processor. */
export function ownFilter(): Buffer {
  const numbers = syscallNumbers(process.arch)
  if (numbers === null) throw new Error(`no filter of system calls for ${process.arch}`)
  return seccompFilter(numbers)
}

/** The same list, for filters by name. */
export function deniedSyscalls(): readonly string[] {
  return denied.map(([name]) => name)
}

/** @returns null for a processor that has no table here. */
export function syscallNumbers(arch: string): SyscallNumbers | null {
  const column = (at: 1 | 2): number[] => denied.map((row) => row[at]).filter((number) => number !== null)
  if (arch === 'x64') {
    return { audit: 0xc000003e, denied: column(1), clone: 56, clone3: 435, ioctl: 16, socket: 41, x32From: 0x40000000 }
  }
  if (arch === 'arm64') return { audit: 0xc00000b7, denied: column(2), clone: 220, clone3: 435, ioctl: 29, socket: 198, x32From: null }
  return null
}

// The same filter for container engines, which take it as JSON with names. It denies by list too: an allow list would need a rule for
// "every ioctl but these", and libseccomp compares 64 bits where the kernel uses 32, so that a set high bit would pass it.

interface Rule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ERRNO'
  readonly errnoRet: number
  readonly args?: readonly Comparison[]
}

/** libseccomp: `value` is a mask and `valueTwo` what must be left for MASKED_EQ. */
interface Comparison {
  readonly index: number
  readonly value: number
  readonly valueTwo: number
  readonly op: 'SCMP_CMP_MASKED_EQ' | 'SCMP_CMP_EQ' | 'SCMP_CMP_GE'
}

const architectures: Readonly<Record<string, string>> = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' }

const lowWord = 0xffffffff

/** @returns null for a processor that has no list. */
export function seccompProfile(arch: string): string | null {
  const scmpArch = ownValue(architectures, arch)
  if (scmpArch === undefined) return null
  const syscalls: readonly Rule[] = [
    refuse(deniedSyscalls(), codes.eperm),
    refuse(['clone3'], codes.enosys),
    ...bits(newNamespaces).map((bit) => refuse(['clone'], codes.eperm, { index: 0, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' })),
    ...terminalInjection.map((request) =>
      refuse(['ioctl'], codes.eperm, { index: 1, value: lowWord, valueTwo: request, op: 'SCMP_CMP_MASKED_EQ' }),
    ),
    ...otherFamilies().map((comparison) => refuse(['socket'], codes.eafnosupport, comparison)),
  ]
  // Calls of other architectures (32 bit, x32) end the caller: that is what libseccomp does with what it has no list for.
  return JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', architectures: [scmpArch], syscalls })
}

function refuse(names: readonly string[], errnoRet: number, comparison?: Comparison): Rule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(comparison !== undefined && { args: [comparison] }) }
}

function bits(mask: number): readonly number[] {
  return Array.from({ length: 32 }, (_, i) => 2 ** i).filter((bit) => Math.floor(mask / bit) % 2 === 1)
}

/** All other families; one rule cannot compare an argument twice. */
function otherFamilies(): readonly Comparison[] {
  const highest = Math.max(...socketFamilies)
  const closed = Array.from({ length: highest }, (_, family) => family).filter((family) => !socketFamilies.includes(family))
  return [
    ...closed.map((family) => ({ index: 0, value: family, valueTwo: 0, op: 'SCMP_CMP_EQ' as const })),
    { index: 0, value: highest + 1, valueTwo: 0, op: 'SCMP_CMP_GE' },
  ]
}

/**
 * Makes the seccomp program that bubblewrap loads: classic BPF, an array of 8-byte `sock_filter` (linux/filter.h) over
 * `struct seccomp_data` (linux/seccomp.h). It denies what syscall-numbers.ts lists, new namespaces, terminal injection and
 * socket families that pass a network namespace (AF_VSOCK does) or reach deep into the kernel.
 */
import type { SyscallNumbers } from './syscall-numbers.ts'

// Instruction codes: load word, jump if equal / at or above / any bit set, return.
const load = 0x20
const ifEqual = 0x15
const ifAtLeast = 0x35
const ifAnyBit = 0x45
const giveBack = 0x06

// Offsets in seccomp_data; arguments are 64 bit, little-endian, of which the low word decides here.
const syscallNumber = 0
const architecture = 4
const firstArgument = 16
const secondArgument = 24

const allow = 0x7fff0000
const killProcess = 0x80000000
const errno = (code: number): number => 0x00050000 | code
const eperm = errno(1)
const enosys = errno(38)
const eafnosupport = errno(97)

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET (linux/sched.h). */
export const newNamespaces = 0x7e020000
/** TIOCSTI types into the terminal that started us, TIOCLINUX pastes into a console (asm-generic/ioctls.h). */
export const terminalInjection: readonly number[] = [0x5412, 0x541c]
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: the last one tells programs their interfaces. */
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

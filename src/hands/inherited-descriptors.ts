/**
 * Closes what hands inherited by accident. Whoever started the kernel may have left descriptors open (a terminal, a log, a
 * folder), Node hands them on, and through one a command could reach out of the sandbox. What Node opens for itself is marked
 * to be closed at exec; what came through an exec cannot be.
 */
import { closeSync, readFileSync, readdirSync } from 'node:fs'

/** O_CLOEXEC as `/proc/<pid>/fdinfo` shows it: proc(5), octal, the same number on x86_64 and aarch64. */
const closeOnExec = 0o2000000

/** Leaves standard input, output and error. */
export function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name)
    if (descriptor <= 2 || isOurs(descriptor)) continue
    try {
      closeSync(descriptor)
    } catch {
      // The descriptor by which the folder was read is gone already.
    }
  }
}

function isOurs(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1] ?? '0'
    return (Number.parseInt(flags, 8) & closeOnExec) !== 0
  } catch {
    return true
  }
}

/** Finds the programs that make a machine. */
import type { Failure } from '../../types/index.ts'
import { findProgram } from '../bubblewrap/sandbox-tools.ts'

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
    hint: 'Install with: apt-get install qemu-system-x86 e2fsprogs. QEMU uses KVM where there is one.',
  }
}

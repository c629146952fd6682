/** Finds the programs that make a machine. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Failure } from '../../types/index.ts'

/** Absolute paths. */
export interface MachinePrograms {
  readonly qemu: string
  readonly mke2fs: string
}

/** @returns the programs, or why there is no machine and what to install. */
export function microVmPrograms(searchPath: string): MachinePrograms | Failure {
  const folders = searchPath.split(':').filter((folder) => folder.startsWith('/'))
  const find = (name: string): string | undefined => folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
  const qemu = find('qemu-system-x86_64')
  const mke2fs = find('mke2fs')
  if (process.arch === 'x64' && qemu !== undefined && mke2fs !== undefined) return { qemu, mke2fs }
  if (process.arch !== 'x64') {
    return {
      code: 'sandbox_missing',
      message: `No micro VM on ${process.arch} yet: its image is made for x86_64.`,
      hint: 'Set sandbox.tier = "container" or "process" in config.toml.',
    }
  }
  const missing = [qemu === undefined ? 'qemu-system-x86_64' : '', mke2fs === undefined ? 'mke2fs' : ''].filter(Boolean)
  return {
    code: 'sandbox_missing',
    message: `No micro VM: ${missing.join(' and ')} not installed.`,
    hint: 'Install with: apt-get install qemu-system-x86 e2fsprogs. QEMU uses KVM where there is one.',
  }
}

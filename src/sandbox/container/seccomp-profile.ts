/**
 * The filter of the process tier for who takes it as JSON with names: container engines. It is made from the same list, and means
 * the same. It allows what it does not deny, as that one does: to allow by list, one would have to say "every ioctl but these", and
 * a comparison for that looks at 64 bits where the kernel looks at 32, so that a set high bit passes it.
 */
import { newNamespaces, socketFamilies, terminalInjection } from '../bubblewrap/seccomp-filter.ts'
import { deniedSyscalls } from '../bubblewrap/syscall-numbers.ts'

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

const eperm = 1
const enosys = 38
const eafnosupport = 97
const lowWord = 0xffffffff

/** @returns null for a processor that has no list. */
export function seccompProfile(arch: string): string | null {
  const architecture = architectures[arch]
  if (architecture === undefined) return null
  const syscalls: readonly Rule[] = [
    refuse(deniedSyscalls(), eperm),
    refuse(['clone3'], enosys),
    ...bits(newNamespaces).map((bit) => refuse(['clone'], eperm, { index: 0, value: bit, valueTwo: bit, op: 'SCMP_CMP_MASKED_EQ' })),
    ...terminalInjection.map((request) =>
      refuse(['ioctl'], eperm, { index: 1, value: lowWord, valueTwo: request, op: 'SCMP_CMP_MASKED_EQ' }),
    ),
    ...otherFamilies().map((comparison) => refuse(['socket'], eafnosupport, comparison)),
  ]
  // Calls of other architectures (32 bit, x32) end the caller: that is what libseccomp does with what it has no list for.
  return JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', architectures: [architecture], syscalls })
}

function refuse(names: readonly string[], errnoRet: number, comparison?: Comparison): Rule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...(comparison !== undefined && { args: [comparison] }) }
}

function bits(mask: number): readonly number[] {
  return Array.from({ length: 32 }, (_, i) => 2 ** i).filter((bit) => Math.floor(mask / bit) % 2 === 1)
}

/** Every family between and above those that are open; two comparisons of one argument cannot stand in one rule. */
function otherFamilies(): readonly Comparison[] {
  const highest = Math.max(...socketFamilies)
  const closed = Array.from({ length: highest }, (_, family) => family).filter((family) => !socketFamilies.includes(family))
  return [
    ...closed.map((family) => ({ index: 0, value: family, valueTwo: 0, op: 'SCMP_CMP_EQ' as const })),
    { index: 0, value: highest + 1, valueTwo: 0, op: 'SCMP_CMP_GE' },
  ]
}

/** The profile says what the filter of the process tier says. What it does is tried by the hostile program, in test/isolation. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { newNamespaces, socketFamilies, terminalInjection } from '../bubblewrap/seccomp-filter.ts'
import { deniedSyscalls, syscallNumbers } from '../bubblewrap/syscall-numbers.ts'
import { seccompProfile } from './seccomp-profile.ts'

interface Rule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet: number
  readonly args?: readonly { index: number; value: number; valueTwo: number; op: string }[]
}

const profile = JSON.parse(seccompProfile('x64')!) as { defaultAction: string; architectures: string[]; syscalls: readonly Rule[] }

/** What libseccomp does with one call; arguments are compared as 64 bits. @returns the error, 0 for none */
function verdict(name: string, args: readonly bigint[]): number {
  const rule = profile.syscalls.find(
    (each) => each.names.includes(name) && (each.args ?? []).every((test) => compare(test, args[test.index]!)),
  )
  return rule?.errnoRet ?? 0
}

function compare({ op, value, valueTwo }: NonNullable<Rule['args']>[number], given: bigint): boolean {
  if (op === 'SCMP_CMP_MASKED_EQ') return (given & BigInt(value)) === BigInt(valueTwo)
  return op === 'SCMP_CMP_EQ' ? given === BigInt(value) : given >= BigInt(value)
}

const word = fc.bigInt({ min: 0n, max: 0xffffffffn })
const high = fc.bigInt({ min: 0n, max: 0xffffffffn }).map((bits) => bits << 32n)

describe('the profile for container engines', () => {
  it('denies the same calls as the filter, by name', () => {
    assert.equal(profile.defaultAction, 'SCMP_ACT_ALLOW')
    assert.equal(deniedSyscalls().length, syscallNumbers('x64')!.denied.length)
    for (const name of deniedSyscalls()) assert.equal(verdict(name, []), 1, name)
    assert.equal(verdict('clone3', []), 38)
    assert.ok(profile.syscalls.every((rule) => rule.action === 'SCMP_ACT_ERRNO'))
  })

  it('lets a process fork, and none of its flags make a namespace', () => {
    fc.assert(
      fc.property(word, high, (flags, above) => {
        const wanted = (flags & BigInt(newNamespaces)) === 0n ? 0 : 1
        assert.equal(verdict('clone', [flags | above]), wanted)
      }),
    )
  })

  it('refuses to type into a terminal, also with bits set that the kernel does not look at', () => {
    fc.assert(
      fc.property(fc.constantFrom(...terminalInjection), high, (request, above) => verdict('ioctl', [3n, BigInt(request) | above]) === 1),
    )
    assert.equal(verdict('ioctl', [0n, 0x5413n]), 0)
  })

  it('opens the same families of sockets', () => {
    for (let family = 0n; family < 64n; family += 1n) {
      assert.equal(verdict('socket', [family]), socketFamilies.includes(Number(family)) ? 0 : 97, String(family))
    }
    // The kernel looks at 32 bits: a family that is closed stays so with any bits above them.
    fc.assert(fc.property(word, high, (family, above) => above === 0n || verdict('socket', [family | above]) === 97))
  })

  it('is for one architecture, and there is none for others', () => {
    assert.deepEqual(profile.architectures, ['SCMP_ARCH_X86_64'])
    assert.equal(seccompProfile('arm64')?.includes('SCMP_ARCH_AARCH64'), true)
    assert.equal(seccompProfile('mips'), null)
  })
})

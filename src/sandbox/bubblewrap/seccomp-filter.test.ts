import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  deniedSyscalls,
  newNamespaces,
  seccompFilter,
  seccompProfile,
  socketFamilies,
  syscallNumbers,
  terminalInjection,
} from './seccomp-filter.ts'

interface SyscallData {
  readonly number: number
  readonly audit: number
  readonly args?: readonly number[]
}

/** Runs a classic BPF program as the kernel would (only the instructions that the filter uses). @returns the action. */
function decide(program: Buffer, data: SyscallData): number {
  const memory = Buffer.alloc(64)
  memory.writeUInt32LE(data.number >>> 0, 0)
  memory.writeUInt32LE(data.audit >>> 0, 4)
  data.args?.forEach((value, i) => memory.writeUInt32LE(value >>> 0, 16 + i * 8))
  let word = 0
  for (let at = 0; ; at += 1) {
    const operand = program.readUInt32LE(at * 8 + 4)
    const jump = (taken: boolean): void => void (at += program.readUInt8(at * 8 + (taken ? 2 : 3)))
    switch (program.readUInt16LE(at * 8)) {
      case 0x20:
        word = memory.readUInt32LE(operand)
        break
      case 0x15:
        jump(word === operand)
        break
      case 0x35:
        jump(word >= operand)
        break
      case 0x45:
        jump((word & operand) !== 0)
        break
      case 0x06:
        return operand
      default:
        assert.fail(`unknown instruction at ${at}`)
    }
  }
}

const allow = 0x7fff0000
const eperm = 0x00050001

for (const arch of ['x64', 'arm64']) {
  describe(`the filter for ${arch}`, () => {
    const numbers = syscallNumbers(arch)
    assert.ok(numbers !== null)
    const program = seccompFilter(numbers)
    const call = (number: number, ...args: number[]) => decide(program, { number, audit: numbers.audit, args })

    it('refuses every denied call and lets ordinary ones through', () => {
      for (const number of numbers.denied) assert.equal(call(number), eperm, String(number))
      const ordinary = Array.from({ length: 500 }, (_, i) => i).filter(
        (number) => !numbers.denied.includes(number) && number !== numbers.clone3,
      )
      for (const number of ordinary.filter((each) => each !== numbers.socket)) assert.equal(call(number), allow, String(number))
      assert.ok(ordinary.length > 400)
    })

    it('refuses new namespaces, in clone and, as if it did not exist, in clone3', () => {
      for (const flag of [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000]) {
        assert.equal(call(numbers.clone, flag | 17), eperm)
      }
      assert.equal(call(numbers.clone, 0x01200011), allow)
      assert.equal(call(numbers.clone3), 0x00050000 | 38)
    })

    it('refuses to type into the terminal', () => {
      assert.equal(call(numbers.ioctl, 0, 0x5412), eperm)
      assert.equal(call(numbers.ioctl, 0, 0x541c), eperm)
      assert.equal(call(numbers.ioctl, 0, 0x5401), allow)
    })

    it('opens sockets of four families only', () => {
      const open = Array.from({ length: 46 }, (_, family) => family).filter((family) => call(numbers.socket, family) === allow)
      assert.deepEqual(open, [1, 2, 10, 16])
    })

    it('kills what runs as another architecture', () => {
      assert.equal(decide(program, { number: 1, audit: 0x40000003 }), 0x80000000)
      if (arch === 'x64') assert.equal(call(0x40000000 + 1), 0x00050000 | 38)
    })
  })
}

it('there is no filter, and so no sandbox, for other processors', () => {
  assert.equal(syscallNumbers('riscv64'), null)
})

/** The profile says what the filter of the process tier says. What it does is tried by the hostile program, in test/isolation. */

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

function compare({ op, value, valueTwo }: NonNullable<Rule['args']>[number], argument: bigint): boolean {
  if (op === 'SCMP_CMP_MASKED_EQ') return (argument & BigInt(value)) === BigInt(valueTwo)
  return op === 'SCMP_CMP_EQ' ? argument === BigInt(value) : argument >= BigInt(value)
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

  it('lets a process fork, but not make a namespace by any flag', () => {
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

  it('is for one architecture, and null for unknown ones', () => {
    assert.deepEqual(profile.architectures, ['SCMP_ARCH_X86_64'])
    assert.equal(seccompProfile('arm64')?.includes('SCMP_ARCH_AARCH64'), true)
    assert.equal(seccompProfile('mips'), null)
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seccompFilter } from './seccomp-filter.ts'
import { syscallNumbers } from './syscall-numbers.ts'

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

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { capModule } from './module-caps.ts'
import { assemble, echo, leb } from './wasm-fixture.ts'
import { type WasmMemory, webAssembly } from './web-assembly.ts'
import { scaled } from '../../../test/support/scale.ts'

const caps = {
  pages: 16,
  tableEntries: 100,
  tables: 2,
  imports: 10,
  exports: 10,
  tags: 2,
  sections: 20,
  elementBytes: 30,
  functionBytes: 200,
}
const functions = [{ export: 'run', body: [] }]

function capped(code: Uint8Array): Uint8Array {
  const out = capModule(code, caps)
  assert.ok(!('failure' in out), JSON.stringify(out))
  return out
}

function whyNot(code: Uint8Array): string {
  const out = capModule(code, caps)
  assert.ok('failure' in out, 'it was taken')
  return out.failure.message
}

function memoryOf(code: Uint8Array): WasmMemory {
  return new webAssembly.Instance(new webAssembly.Module(code), {}).exports['memory'] as WasmMemory
}

void test('a memory grows to the cap and no further, or to its own maximum where that is less', () => {
  for (const [memory, most] of [
    [[0, 1], 16],
    [[1, 1, 200, 1], 16],
    [[1, 1, 3], 3],
    [[0, 16], 16],
  ] as const) {
    const grown = memoryOf(capped(assemble({ functions, memory })))
    grown.grow(most - (memory[1] ?? 0))
    assert.equal(grown.buffer.byteLength, most * 65_536)
    assert.throws(() => grown.grow(1), RangeError)
  }
})

void test('memories that cannot be bounded this way are refused', () => {
  assert.match(whyNot(assemble({ functions, memory: [0, 17] })), /memory/)
  assert.match(whyNot(assemble({ functions, memory: [3, 1, 1] })), /shared/)
  assert.match(whyNot(assemble({ functions, memory: [4, 1] })), /64-bit/)
  // Two memories: a section with a longer list in the place of one with one.
  const [start, rest] = split(assemble({ functions, memory: [0, 1] }), [5, 3, 1, 0, 1])
  assert.match(whyNot(new Uint8Array([...start, 5, 5, 2, 0, 1, 0, 1, ...rest])), /more than one/)
  assert.match(whyNot(new Uint8Array([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])), /component/)
})

void test('tables are bounded like memories', () => {
  const table = (kind: number, ...limits: readonly number[]): Uint8Array => assemble({ functions, tables: [1, kind, ...limits] })
  assert.ok(memoryOf(capped(table(0x70, 0, 1))))
  assert.ok(memoryOf(capped(table(0x6f, 1, 1, ...leb(1_000_000)))))
  assert.match(whyNot(table(0x70, 0, ...leb(10_000_000))), /table of 10000000/)
  assert.match(whyNot(table(0x40, 0, 1)), /typed/)
  assert.match(whyNot(table(0x70, 4, 1)), /64-bit/)
  assert.match(whyNot(assemble({ functions, tables: [3, 0x70, 0, 1, 0x70, 0, 1, 0x70, 0, 1] })), /more than 2/)
})

void test('types whose objects would stand in the heap of V8, and long lists of names, are refused', () => {
  const module = (...sections: readonly (readonly number[])[]): Uint8Array =>
    new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()])
  const types = {
    array: [0x5e, 0x7e, 1],
    struct: [0x5f, 1, 0x7e, 0],
    group: [0x4e, 1, 0x60, 0, 0],
    typedReference: [0x60, 1, 0x64, 0x6b, 0],
  }
  for (const type of Object.values(types)) assert.match(whyNot(module([1, type.length + 1, 1, ...type])), /garbage collector/)
  capped(module([1, 11, 1, 0x60, 7, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0]))
  assert.match(whyNot(module([2, 1, 11])), /more than 10 imports/)
  assert.match(whyNot(module([7, 1, 11])), /more than 10 exports/)
})

void test('long functions, long lists of table elements, many tags and many sections are refused: they would cost memory outside of every limit', () => {
  const body = (length: number): number[] => Array.from({ length }, () => 0x01)
  const longer = assemble({ functions: [...functions, { body: body(200) }] })
  assert.match(whyNot(longer), /function of more than 200 bytes/)
  capped(assemble({ functions: [{ body: body(190) }, { body: body(190) }] }))
  const after = (...section: readonly number[]): Uint8Array => new Uint8Array([...echo, ...section])
  assert.match(whyNot(after(9, 31, ...body(31))), /table elements have more than 30 bytes/)
  assert.match(whyNot(after(13, 1, 3)), /more than 2 tags/)
  assert.match(whyNot(after(...Array.from({ length: 20 }, () => [0, 1, 0]).flat())), /more than 20 sections/)
})

void test('a module that is within its bounds works as before', () => {
  const { exports } = new webAssembly.Instance(new webAssembly.Module(capped(echo)), {})
  assert.deepEqual((exports['run'] as (a: number, b: number) => unknown)(3, 4), [3, 4])
})

void test('law: whatever the bytes are, the answer is a module or a failure, and never an exception', () => {
  const whole = Array.from(assemble({ functions, tables: [1, 0x70, 0, 1], memory: [1, 1, 3] }))
  const damaged = fc
    .array(fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) }), { maxLength: 6 })
    .map((spots) => spots.reduce((bytes, { at, byte }) => bytes.with(at, byte), whole))
  const cut = fc.tuple(damaged, fc.nat(whole.length)).map(([bytes, length]) => bytes.slice(0, length))
  fc.assert(
    fc.property(fc.oneof(damaged, cut), (bytes) => {
      const out = capModule(new Uint8Array(bytes), caps)
      if ('failure' in out) return
      let module
      try {
        module = new webAssembly.Module(out)
      } catch {
        return
      }
      if (webAssembly.Module.imports(module).length > 0) return
      const { exports } = new webAssembly.Instance(module, {})
      if (exports['memory'] instanceof webAssembly.Memory) {
        assert.ok(exports['memory'].buffer.byteLength <= 16 * 65_536)
        assert.throws(() => (exports['memory'] as WasmMemory).grow(16), RangeError)
      }
    }),
    { numRuns: scaled(2_000) },
  )
})

function split(bytes: Uint8Array, part: readonly number[]): readonly [Uint8Array, Uint8Array] {
  const at = Buffer.from(bytes).indexOf(Buffer.from(part))
  assert.notEqual(at, -1)
  return [bytes.slice(0, at), bytes.slice(at + part.length)]
}

/**
 * One question against many vectors of eight bits a number: the inner loop of a search, as WebAssembly, because its instructions
 * multiply eight numbers at once. It is forty instructions, so it is written down here and no tool is needed to make it.
 */

/** Part of the global `WebAssembly`, whose types come with the DOM's. */
interface Assembly {
  readonly Memory: new (size: { readonly initial: number }) => WideMemory
  readonly Module: new (program: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> }
}

interface WideMemory {
  /** Another one after it grew. */
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

interface DotProgram {
  readonly memory: WideMemory
  /**
   * Writes for each of `count` vectors the sum of products with the question, as int32. All are places in `memory`.
   * @param codes `stride` bytes (int8) a vector, one behind the other @param question `stride` numbers of sixteen bits
   * @param stride a multiple of 16; what a vector does not need of it is zero
   */
  readonly run: (codes: number, stride: number, question: number, count: number, sums: number) => void
}

const pageBytes = 65_536
const i32 = 0x7f
const v128 = 0x7b
const [codes, stride, question, count, sums, stop, asked, sum] = [0, 1, 2, 3, 4, 5, 6, 7] as const

const get = (local: number): number[] => [0x20, local]
const set = (local: number): number[] => [0x21, local]
const tee = (local: number): number[] => [0x22, local]
/** Up to 63. */
const constant = (value: number): number[] => [0x41, value]
const add = [0x6a]
const subtract = [0x6b]
const loadEight = (offset: number): number[] => [0xfd, 0x01, 0, offset]
const loadWhole = (offset: number): number[] => [0xfd, 0x00, 0, offset]
const dot = [0xfd, 0xba, 0x01]
const addFour = [0xfd, 0xae, 0x01]
const lane = (number: number): number[] => [0xfd, 0x1b, number]
const nothing = 0x40
const loop = [0x03, nothing]
const block = [0x02, nothing]
const end = [0x0b]
const leaveIf = (depth: number): number[] => [0x0d, depth]
const again = [0x0c, 0]
const zeroFour = [0xfd, 0x0c, ...Array.from({ length: 16 }, () => 0)]

/** Eight numbers from `offset` on, added to the sums. */
const eight = (offset: number): number[] => [
  ...get(codes),
  ...loadEight(offset),
  ...get(asked),
  ...loadWhole(offset * 2),
  ...dot,
  ...addFour,
]

const each: readonly (readonly number[])[] = [
  // Locals beside the parameters: two numbers and the four sums.
  [2, 2, i32, 1, v128],
  block,
  loop,
  [...get(count), 0x45, ...leaveIf(1)],
  [...zeroFour, ...set(sum), ...get(question), ...set(asked)],
  [...get(codes), ...get(stride), ...add, ...set(stop)],
  loop,
  [...get(sum), ...eight(0), ...eight(8), ...set(sum)],
  [...get(asked), ...constant(32), ...add, ...set(asked)],
  [...get(codes), ...constant(16), ...add, ...tee(codes), ...get(stop), 0x49, ...leaveIf(0)],
  end,
  get(sums),
  [...get(sum), ...lane(0), ...get(sum), ...lane(1), ...add, ...get(sum), ...lane(2), ...add, ...get(sum), ...lane(3), ...add],
  // Stored as four bytes.
  [0x36, 2, 0],
  [...get(sums), ...constant(4), ...add, ...set(sums), ...get(count), ...constant(1), ...subtract, ...set(count)],
  again,
  end,
  end,
  end,
]
const body = each.flat()

/** A length below 16 384, in the form of the format. */
const length = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, value >> 7])
const section = (id: number, content: readonly number[]): number[] => [id, ...length(content.length), ...content]
const name = (text: string): number[] => [text.length, ...Buffer.from(text)]

const program: Uint8Array<ArrayBuffer> = Uint8Array.from(
  [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, [1, 0x60, 5, i32, i32, i32, i32, i32, 0]),
    section(2, [1, ...name('o'), ...name('memory'), 2, 0, 0]),
    section(3, [1, 0]),
    section(7, [1, ...name('run'), 0, 0]),
    section(10, [1, ...length(body.length), ...body]),
  ].flat(),
)

/** @param bytes that are wanted at first */
export function createDotProgram(bytes: number): DotProgram {
  const assembly = (globalThis as unknown as { readonly WebAssembly: Assembly }).WebAssembly
  const memory = new assembly.Memory({ initial: Math.ceil(bytes / pageBytes) })
  return { memory, run: compiled(assembly, memory) ?? createPlainDot(memory) }
}

/** @returns null on a processor that lacks these instructions */
function compiled(assembly: Assembly, memory: WideMemory): DotProgram['run'] | null {
  try {
    const { exports } = new assembly.Instance(new assembly.Module(program), { o: { memory } })
    return exports['run'] as DotProgram['run']
  } catch {
    return null
  }
}

/** The same, number by number. */
export function createPlainDot(memory: WideMemory): DotProgram['run'] {
  return (from, width, asking, many, to) => {
    const numbers = new Int8Array(memory.buffer)
    const other = new Int16Array(memory.buffer, asking, width)
    const into = new Int32Array(memory.buffer, to, many)
    for (let i = 0; i < many; i++) {
      let total = 0
      for (let n = 0, at = from + i * width; n < width; n++, at++) total += (numbers[at] as number) * (other[n] as number)
      into[i] = total
    }
  }
}

/** Makes room for so many bytes in all. */
export function widen(memory: WideMemory, bytes: number): void {
  const missing = Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)
  if (missing > 0) memory.grow(missing)
}

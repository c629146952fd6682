/** A small assembler for test modules: real WebAssembly, readable, without a compiler. */
import type { WasmTool } from './wasm-tool.ts'

type Bytes = readonly number[]

type ValueType = 'i32' | 'i64'
const valueType: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e }

export interface FixtureFunction {
  readonly export?: string
  readonly params?: readonly ValueType[]
  readonly results?: readonly ValueType[]
  /** Without its end. */
  readonly body: Bytes
}

export interface Import {
  readonly from: string
  readonly name: string
  readonly params: readonly ValueType[]
  readonly results: readonly ValueType[]
}

interface FixtureModule {
  readonly imports?: readonly Import[]
  readonly functions: readonly FixtureFunction[]
  /** Exported as `memory`. Its limits as they are written, e.g. `[0, 1]` for one page without a maximum. */
  readonly memory?: Bytes
  /** The body of a table section. */
  readonly tables?: Bytes
  /** Index of the start function, imports counted. */
  readonly start?: number
  /** Text at an offset. */
  readonly data?: readonly (readonly [number, string])[]
}

export function leb(value: number): Bytes {
  return value < 128 ? [value] : [(value % 128) + 128, ...leb(Math.floor(value / 128))]
}

function signed(value: bigint): Bytes {
  const low = Number(BigInt.asUintN(7, value))
  const rest = value >> 7n
  const isLast = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)
  return isLast ? [low] : [low | 0x80, ...signed(rest)]
}

interface Instructions {
  readonly unreachable: Bytes
  readonly loop: Bytes
  readonly end: Bytes
  readonly drop: Bytes
  readonly grow: Bytes
  readonly load: Bytes
  readonly add: Bytes
  br(depth: number): Bytes
  call(index: number): Bytes
  get(local: number): Bytes
  i32(value: number): Bytes
  i64(value: bigint): Bytes
  /** Both store at a fixed place. */
  store32(at: number, value: number): Bytes
  store64(at: number, value: bigint): Bytes
}

export const op: Instructions = {
  unreachable: [0x00],
  loop: [0x03, 0x40],
  end: [0x0b],
  drop: [0x1a],
  grow: [0x40, 0x00],
  load: [0x28, 0x02, 0x00],
  add: [0x6a],
  br: (depth: number): Bytes => [0x0c, depth],
  call: (index: number): Bytes => [0x10, ...leb(index)],
  get: (local: number): Bytes => [0x20, local],
  i32: (value: number): Bytes => [0x41, ...signed(BigInt(value))],
  i64: (value: bigint): Bytes => [0x42, ...signed(value)],
  store32: (at: number, value: number): Bytes => [0x41, ...signed(BigInt(at)), 0x41, ...signed(BigInt(value)), 0x36, 0x02, 0x00],
  store64: (at: number, value: bigint): Bytes => [0x41, ...signed(BigInt(at)), 0x42, ...signed(value), 0x37, 0x03, 0x00],
}

const encoder = new TextEncoder()
const name = (text: string): Bytes => sized([...encoder.encode(text)])
const sized = (bytes: Bytes): Bytes => [...leb(bytes.length), ...bytes]
const list = (items: readonly Bytes[]): Bytes => [...leb(items.length), ...items.flat()]
const section = (id: number, body: Bytes): Bytes => [id, ...sized(body)]
const signature = (params: readonly ValueType[] = [], results: readonly ValueType[] = []): Bytes => [
  0x60,
  ...list(params.map((each) => [valueType[each]])),
  ...list(results.map((each) => [valueType[each]])),
]

const header: Bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

export function assemble({ imports = [], functions, memory = [0, 1], tables, start, data = [] }: FixtureModule): Uint8Array {
  const exports = functions.flatMap((each, i) => (each.export === undefined ? [] : [[...name(each.export), 0, ...leb(imports.length + i)]]))
  return new Uint8Array([
    ...header,
    ...section(1, list([...imports, ...functions].map(({ params, results }) => signature(params, results)))),
    ...section(2, list(imports.map(({ from, name: each }, i) => [...name(from), ...name(each), 0, ...leb(i)]))),
    ...section(3, list(functions.map((_, i) => leb(imports.length + i)))),
    ...(tables === undefined ? [] : section(4, tables)),
    ...section(5, list([memory])),
    ...section(7, list([[...name('memory'), 2, 0], ...exports])),
    ...(start === undefined ? [] : section(8, leb(start))),
    ...section(10, list(functions.map(({ body }) => sized([0, ...body, ...op.end])))),
    ...section(11, list(data.map(([at, text]) => [0, ...op.i32(at), ...op.end, ...name(text)]))),
  ])
}

const wasi = (each: string, params: readonly ValueType[], results: readonly ValueType[] = ['i32']): Import => ({
  from: 'wasi_snapshot_preview1',
  name: each,
  params,
  results,
})

type WasiCall =
  | 'exit'
  | 'write'
  | 'read'
  | 'open'
  | 'setSize'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'makeFolder'
  | 'removeFolder'
  | 'symlink'
  | 'poll'
  | 'time'
  | 'connect'

/** System calls that the fixtures use. */
export const wasiCalls: Readonly<Record<WasiCall, Import>> = {
  exit: wasi('proc_exit', ['i32'], []),
  write: wasi('fd_write', ['i32', 'i32', 'i32', 'i32']),
  read: wasi('fd_read', ['i32', 'i32', 'i32', 'i32']),
  open: wasi('path_open', ['i32', 'i32', 'i32', 'i32', 'i32', 'i64', 'i64', 'i32', 'i32']),
  setSize: wasi('fd_filestat_set_size', ['i32', 'i64']),
  rename: wasi('path_rename', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32']),
  link: wasi('path_link', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32']),
  unlink: wasi('path_unlink_file', ['i32', 'i32', 'i32']),
  makeFolder: wasi('path_create_directory', ['i32', 'i32', 'i32']),
  removeFolder: wasi('path_remove_directory', ['i32', 'i32', 'i32']),
  symlink: wasi('path_symlink', ['i32', 'i32', 'i32', 'i32', 'i32']),
  poll: wasi('poll_oneoff', ['i32', 'i32', 'i32', 'i32']),
  time: wasi('clock_time_get', ['i32', 'i64', 'i32']),
  connect: wasi('sock_send', ['i32', 'i32', 'i32', 'i32', 'i32']),
}

/** A command that ends with what its body leaves on the stack as exit code; `calls` are imports 1 and up, 0 is the exit. */
export function command(body: Bytes, calls: readonly Import[] = [], more: Partial<FixtureModule> = {}): Uint8Array {
  return assemble({
    imports: [wasiCalls.exit, ...calls],
    functions: [{ export: '_start', body: [...body, ...op.call(0)] }],
    ...more,
  })
}

/** The smallest tool: returns its input as two results. */
export const echo: Uint8Array = assemble({
  functions: [{ export: 'run', params: ['i32', 'i32'], results: ['i32', 'i32'], body: [...op.get(0), ...op.get(1)] }],
})

export function script(source: string): Pick<WasmTool, 'kind' | 'code' | 'input'> {
  return { kind: 'js', code: encoder.encode(source), input: null }
}

export function wasiTool(code: Uint8Array): Pick<WasmTool, 'kind' | 'code' | 'input'> {
  return { kind: 'wasi', code, input: null }
}

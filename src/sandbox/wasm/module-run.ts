/**
 * Runs a WebAssembly module: a WASI command, or one function of the JSON interface. Both have the same imports: the functions of the host
 * and a WASI (preview 1) shim whose bugs are fixed here. It has no sockets, clocks have a coarse resolution, and a sleep blocks instead of
 * spinning.
 */
import { ConsoleStdout, WASI, wasi as wasiConstants, WASIProcExit } from '@bjorn3/browser_wasi_shim'
import {
  maxElementBytes,
  maxFunctionBytes,
  maxIoPieces,
  maxModuleSections,
  maxPollSubscriptions,
  maxTableEntries,
  maxTables,
  maxTags,
  maxToolDescriptors,
  maxToolExports,
  maxToolImports,
  maxToolPathChars,
  toolClockStepNs,
} from '../limits.ts'
import { capModule } from './module-caps.ts'
import { type CallHost, hostImports } from './host-bridge.ts'
import { failed, type Failed, isFailed, loadFailure, quoted, trapFailure } from './tool-failure.ts'
import { type OutputWriter, type ToolJob, writerOf } from './tool-channel.ts'
import { type MountedFolder, movePath, readOnlyFile } from './tool-tree.ts'
import { pageBytes, pagesPerMib, type WasmInstance, type WasmMemory, type WasmModule, webAssembly } from './web-assembly.ts'
import { ownValue, setOwn } from '../../base/index.ts'

/** `output` should be JSON. */
export interface Answer {
  readonly output: string
  readonly exitCode: number
}

export function runModule(job: ToolJob, mounts: readonly MountedFolder[], callHost: CallHost): Answer | Failed {
  const pages = job.limits.memoryMb * pagesPerMib
  const module = loadModule(job.code, pages)
  if (isFailed(module)) return module
  const stdin = new TextEncoder().encode(job.kind === 'wasi' ? job.input : '')
  const wasi = createWasi({ stdin, stdout: writerOf(job.stdout), stderr: writerOf(job.stderr), mounts })
  const problem = unknownImport(module, wasi)
  if (problem !== null) return problem
  const host = hostImports(callHost, () => wasi.inst.exports.memory.buffer)
  let memory: WasmMemory | null = null
  try {
    // A start function runs here, before host functions work: there is no memory to point into yet.
    const instance = new webAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport, oxbow: { ...host } })
    const exported = instance.exports['memory']
    if (!(exported instanceof webAssembly.Memory)) return missing('The module exports no memory.')
    memory = exported
    wasi.inst = { exports: { memory } }
    return job.kind === 'wasi' ? runCommand(instance) : runFunction(instance, memory, wasi, job)
  } catch (error) {
    if (error instanceof WASIProcExit) return exited(error.code, job)
    return trapFailure(error, memory !== null && memory.buffer.byteLength + pageBytes > pages * pageBytes)
  }
}

const moduleCaps = {
  tableEntries: maxTableEntries,
  tables: maxTables,
  imports: maxToolImports,
  exports: maxToolExports,
  tags: maxTags,
  sections: maxModuleSections,
  elementBytes: maxElementBytes,
  functionBytes: maxFunctionBytes,
}

function loadModule(code: Uint8Array, pages: number): WasmModule | Failed {
  const capped = capModule(code, { ...moduleCaps, pages })
  if (isFailed(capped)) return capped
  try {
    return new webAssembly.Module(capped)
  } catch (error) {
    return loadFailure(error)
  }
}

/** A module gets only the two interfaces: any other import is refused. */
function unknownImport(module: WasmModule, wasi: WASI): Failed | null {
  const known = (from: string, name: string): boolean =>
    from === 'wasi_snapshot_preview1' ? Object.hasOwn(wasi.wasiImport, name) : from === 'oxbow' && (name === 'call' || name === 'take')
  const unknown = webAssembly.Module.imports(module).find(({ module: from, name, kind }) => kind !== 'function' || !known(from, name))
  if (unknown === undefined) return null
  const { kind, module: from, name } = unknown
  return failed(
    'denied',
    `The module imports the ${kind} ${quoted(from)}.${quoted(name)}, which is not available.`,
    'A tool may import functions of wasi_snapshot_preview1, and oxbow.call and oxbow.take. Its memory must be its own.',
  )
}

function runCommand({ exports }: WasmInstance): Answer | Failed {
  const start = exports['_start']
  if (typeof start !== 'function') return missing('The module exports no _start.')
  start()
  return { output: 'null', exitCode: 0 }
}

/** A command reports its result by its exit code; an exit inside a function is a failure, whatever its code. */
function exited(exitCode: number, job: ToolJob): Answer | Failed {
  if (job.kind === 'wasi') return { output: 'null', exitCode: exitCode >>> 0 }
  return failed('tool_failed', `The tool exited with code ${exitCode} instead of returning.`, 'Its standard error may explain it.')
}

function runFunction(instance: WasmInstance, memory: WasmMemory, wasi: WASI, job: ToolJob): Answer | Failed {
  const { exports } = instance
  const name = job.function ?? 'run'
  const tool = ownValue(exports, name)
  if (typeof tool !== 'function') {
    const functions = Object.keys(exports).filter((each) => typeof ownValue(exports, each) === 'function')
    return missing(`The module exports no function ${quoted(name)}.`, `It exports ${quoted(functions.join(', ')) || 'none'}.`)
  }
  wasi.initialize({ exports: { memory, ...initializer(exports) } })
  const input = new TextEncoder().encode(job.input)
  const at = placeFor(input.length, exports, memory)
  if (at === null) return failed('limit_reached', 'The input does not fit into the memory of the tool.', 'Give it less, or more memory.')
  new Uint8Array(memory.buffer, at, input.length).set(input)
  const place = readPlace((tool as (...args: readonly number[]) => unknown)(at, input.length))
  if (place === null) return missing(`The function ${quoted(name)} does not return (ptr, len).`, 'Two i32, or one i64 with ptr above len.')
  if (place.bytes > job.limits.outputBytes) {
    return failed(
      'limit_reached',
      `The tool returned ${place.bytes} bytes; its limit is ${job.limits.outputBytes}.`,
      'Return less, or write a file.',
    )
  }
  if (place.at + place.bytes > memory.buffer.byteLength) {
    return failed('tool_failed', 'The tool returned a pointer outside its memory.', 'ptr and len are bytes in the exported memory.')
  }
  return readText(new Uint8Array(memory.buffer, place.at, place.bytes))
}

function initializer(exports: WasmInstance['exports']): { readonly _initialize?: () => unknown } {
  const initialize = exports['_initialize']
  return typeof initialize === 'function' ? { _initialize: initialize as () => unknown } : {}
}

/** @returns null when the memory cannot hold the input. */
function placeFor(bytes: number, exports: WasmInstance['exports'], memory: WasmMemory): number | null {
  const alloc = exports['alloc']
  const at = typeof alloc === 'function' ? Number((alloc as (bytes: number) => unknown)(bytes)) >>> 0 : 0
  const lacking = at + bytes - memory.buffer.byteLength
  try {
    if (lacking > 0) memory.grow(Math.ceil(lacking / pageBytes))
    return at
  } catch {
    return null
  }
}

function readPlace(returned: unknown): { readonly at: number; readonly bytes: number } | null {
  if (typeof returned === 'bigint') {
    const packed = BigInt.asUintN(64, returned)
    return { at: Number(packed >> 32n), bytes: Number(packed & 0xffff_ffffn) }
  }
  if (!Array.isArray(returned) || returned.length !== 2 || !returned.every((part) => typeof part === 'number')) return null
  const [at = 0, bytes = 0] = returned as readonly number[]
  return { at: at >>> 0, bytes: bytes >>> 0 }
}

/** The JSON is parsed in the main thread: here it could exceed the heap. */
function readText(bytes: Uint8Array): Answer | Failed {
  try {
    return { output: new TextDecoder('utf-8', { fatal: true }).decode(bytes), exitCode: 0 }
  } catch {
    return failed('tool_failed', 'The tool returned invalid UTF-8.', 'ptr and len must cover exactly one JSON value.')
  }
}

const missing = (what: string, hint = 'A wasi tool exports memory and _start, an abi tool memory and its function.'): Failed =>
  failed('not_found', what, hint)

interface WasiParts {
  readonly stdin: Uint8Array
  readonly stdout: OutputWriter
  readonly stderr: OutputWriter
  readonly mounts: readonly MountedFolder[]
}

/** Imports of the module and the object that starts it. Its arguments are its name alone, its environment is empty. */
function createWasi({ stdin, stdout, stderr, mounts }: WasiParts): WASI {
  const descriptors = [readOnlyFile(stdin), new ConsoleStdout(stdout), new ConsoleStdout(stderr), ...mounts.map(({ open }) => open)]
  const shim = new WASI(['tool'], [], descriptors, { debug: false })
  const view = (): DataView => new DataView(shim.inst.exports.memory.buffer)
  const noSocket = (): number => wasiConstants.ERRNO_NOTSUP
  Object.assign(shim.wasiImport, {
    clock_res_get(id: number, at: number): number {
      if (timeOf(id) === null) return wasiConstants.ERRNO_INVAL
      view().setBigUint64(at, toolClockStepNs, true)
      return wasiConstants.ERRNO_SUCCESS
    },
    clock_time_get(id: number, _precision: bigint, at: number): number {
      const time = timeOf(id)
      if (time === null) return wasiConstants.ERRNO_INVAL
      view().setBigUint64(at, time, true)
      return wasiConstants.ERRNO_SUCCESS
    },
    path_rename(fd: number, at: number, length: number, newFd: number, newAt: number, newLength: number): number {
      const [from, to] = [shim.fds[fd], shim.fds[newFd]]
      if (from === undefined || to === undefined) return wasiConstants.ERRNO_BADF
      return movePath(from, textAt(view(), at, length), to, textAt(view(), newAt, newLength))
    },
    poll_oneoff: (subscriptions: number, events: number, count: number, ready: number): number =>
      poll(view(), subscriptions, events, count >>> 0, ready),
    sched_yield: (): number => wasiConstants.ERRNO_SUCCESS,
    sock_accept: noSocket,
    sock_recv: noSocket,
    sock_send: noSocket,
    sock_shutdown: noSocket,
  })
  boundDescriptors(shim, view)
  for (const [name, places] of Object.entries(measuredArguments)) guard(shim, name, places)
  return shim
}

/** Uses the lowest free descriptor, as POSIX does; the shim increments without limit. */
function boundDescriptors({ fds, wasiImport }: WASI, view: () => DataView): void {
  const open = wasiImport['path_open']
  const openedAt = 8
  wasiImport['path_open'] = (...values: readonly number[]) => {
    const gap = fds.findIndex((each) => each === undefined)
    if (gap < 0 && fds.length >= maxToolDescriptors) return wasiConstants.ERRNO_MFILE
    const before = fds.length
    const problem: unknown = open?.(...values)
    if (gap < 0 || fds.length === before) return problem
    fds[gap] = fds.pop()!
    view().setUint32(values[openedAt] ?? 0, gap, true)
    return problem
  }
}

/** Arguments of system calls with the length of a path, or the number of buffers of a read or write, for which the shim allocates. */
const measuredArguments: Readonly<Record<string, readonly { readonly at: number; readonly most: number; readonly errno: number }[]>> = {
  ...Object.fromEntries(
    Object.entries({
      path_create_directory: [2],
      path_filestat_get: [3],
      path_filestat_set_times: [3],
      path_link: [3, 6],
      path_open: [3],
      path_readlink: [2],
      path_remove_directory: [2],
      path_rename: [2, 5],
      path_symlink: [1, 4],
      path_unlink_file: [2],
    }).map(([name, places]) => [name, places.map((at) => ({ at, most: maxToolPathChars, errno: wasiConstants.ERRNO_NAMETOOLONG }))]),
  ),
  ...Object.fromEntries(
    ['fd_read', 'fd_pread', 'fd_write', 'fd_pwrite'].map((name) => [
      name,
      [{ at: 2, most: maxIoPieces, errno: wasiConstants.ERRNO_INVAL }],
    ]),
  ),
}

function guard({ wasiImport }: WASI, name: string, places: (typeof measuredArguments)[string]): void {
  const call = ownValue(wasiImport, name)
  setOwn(wasiImport, name, (...values: readonly unknown[]) => {
    const over = places.find(({ at, most }) => Number(values[at]) >>> 0 > most)
    return over === undefined ? call?.(...values) : over.errno
  })
}

/** @throws RangeError for an address outside the memory, which ends the run like a trap. */
function textAt({ buffer }: DataView, at: number, bytes: number): string {
  return new TextDecoder().decode(new Uint8Array(buffer as ArrayBuffer, at >>> 0, bytes >>> 0))
}

/** Nanoseconds, in whole steps; null for clocks of CPU time, which is not measured. */
function timeOf(id: number): bigint | null {
  if (id === wasiConstants.CLOCKID_REALTIME) return inSteps(BigInt(Date.now()) * 1_000_000n)
  if (id === wasiConstants.CLOCKID_MONOTONIC) return inSteps(BigInt(Math.floor(performance.now() * 1e6)))
  return null
}

const inSteps = (time: bigint): bigint => time - (time % toolClockStepNs)

const subscriptionBytes = 48
const eventBytes = 32
const absoluteTime = 1

/** Files and outputs are always ready; with only clocks it waits for the earliest. */
function poll(view: DataView, subscriptions: number, events: number, count: number, ready: number): number {
  if (count === 0 || count > maxPollSubscriptions) return wasiConstants.ERRNO_INVAL
  const subscribed = Array.from({ length: count }, (_, i) => readSubscription(view, subscriptions + i * subscriptionBytes))
  const isReady = subscribed.some(({ waitNs }) => waitNs === null)
  const shortest = subscribed.reduce((least, { waitNs }) => (waitNs !== null && waitNs < least ? waitNs : least), longestWaitNs)
  if (!isReady) sleep(shortest)
  const due = subscribed.filter(({ waitNs }) => (isReady ? waitNs === null || waitNs <= 0n : waitNs !== null && waitNs <= shortest))
  for (const [i, { userdata, type, error }] of due.entries()) {
    const at = events + i * eventBytes
    for (let offset = 0; offset < eventBytes; offset += 8) view.setBigUint64(at + offset, 0n, true)
    view.setBigUint64(at, userdata, true)
    view.setUint16(at + 8, error, true)
    view.setUint8(at + 10, type)
  }
  view.setUint32(ready, due.length, true)
  return wasiConstants.ERRNO_SUCCESS
}

interface Asked {
  readonly userdata: bigint
  readonly type: number
  readonly error: number
  /** Time until it is due; null if it is ready. */
  readonly waitNs: bigint | null
}

function readSubscription(view: DataView, at: number): Asked {
  const userdata = view.getBigUint64(at, true)
  const type = view.getUint8(at + 8)
  if (type !== wasiConstants.EVENTTYPE_CLOCK) return { userdata, type, error: wasiConstants.ERRNO_SUCCESS, waitNs: null }
  const now = timeOf(view.getUint32(at + 16, true))
  if (now === null) return { userdata, type, error: wasiConstants.ERRNO_INVAL, waitNs: null }
  const timeout = view.getBigUint64(at + 24, true)
  const isAbsolute = (view.getUint16(at + 40, true) & absoluteTime) !== 0
  return { userdata, type, error: wasiConstants.ERRNO_SUCCESS, waitNs: isAbsolute ? timeout - now : timeout }
}

/** About 100 days: longer than any time limit, and within the range of the wait below. */
const longestWaitNs = 1n << 53n

/** Blocks this thread, which the main thread may terminate meanwhile. */
function sleep(ns: bigint): void {
  if (ns > 0n) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ns) / 1e6)
}

/** Runs a module: a WASI command, or one function of the JSON interface. Both see the same imports. */
import { WASIProcExit, type WASI } from '@bjorn3/browser_wasi_shim'
import {
  maxElementBytes,
  maxFunctionBytes,
  maxModuleSections,
  maxTableEntries,
  maxTables,
  maxTags,
  maxToolExports,
  maxToolImports,
} from '../../limits.ts'
import { writerOf } from '../tool-output.ts'
import type { ToolJob } from '../worker-message.ts'
import { hostImports, type CallHost } from './host-bridge.ts'
import { capModule } from './module-caps.ts'
import { failed, isFailed, loadFailure, quoted, trapFailure, type Failed } from './tool-failure.ts'
import type { MountedFolder } from './tool-tree.ts'
import { createWasi } from './wasi-imports.ts'
import { pageBytes, pagesPerMib, webAssembly, type WasmInstance, type WasmMemory, type WasmModule } from './web-assembly.ts'

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
    // A start function runs here, before anything can be asked of the host: it has no memory to point into yet.
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

/** What a module imports beside the two interfaces it is not given, whatever it is called. */
function unknownImport(module: WasmModule, wasi: WASI): Failed | null {
  const known = (from: string, name: string): boolean =>
    from === 'wasi_snapshot_preview1' ? Object.hasOwn(wasi.wasiImport, name) : from === 'oxbow' && (name === 'call' || name === 'take')
  const stranger = webAssembly.Module.imports(module).find(({ module: from, name, kind }) => kind !== 'function' || !known(from, name))
  if (stranger === undefined) return null
  const { kind, module: from, name } = stranger
  return failed(
    'denied',
    `The module imports the ${kind} ${quoted(from)}.${quoted(name)}, which no tool is given.`,
    'A tool may import functions of wasi_snapshot_preview1, and oxbow.call and oxbow.take. Its memory must be its own.',
  )
}

function runCommand({ exports }: WasmInstance): Answer | Failed {
  const start = exports['_start']
  if (typeof start !== 'function') return missing('The module exports no _start.')
  start()
  return { output: 'null', exitCode: 0 }
}

/** A command says by its exit code how it went; in the middle of a function an exit is a failure, whatever its code. */
function exited(exitCode: number, job: ToolJob): Answer | Failed {
  if (job.kind === 'wasi') return { output: 'null', exitCode: exitCode >>> 0 }
  return failed('tool_failed', `The tool ended itself with exit code ${exitCode} instead of returning.`, 'Its standard error may say why.')
}

function runFunction(instance: WasmInstance, memory: WasmMemory, wasi: WASI, job: ToolJob): Answer | Failed {
  const { exports } = instance
  const name = job.function ?? 'run'
  const tool = exports[name]
  if (typeof tool !== 'function') {
    const functions = Object.keys(exports).filter((each) => typeof exports[each] === 'function')
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
    return failed('tool_failed', 'The tool returned a place outside its memory.', 'ptr and len are bytes in the exported memory.')
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

/** Whether the text is JSON is seen where it is parsed, in the keeper: here it could be too much for the heap. */
function readText(bytes: Uint8Array): Answer | Failed {
  try {
    return { output: new TextDecoder('utf-8', { fatal: true }).decode(bytes), exitCode: 0 }
  } catch {
    return failed('tool_failed', 'The tool returned what is no UTF-8.', 'ptr and len must cover exactly one JSON value.')
  }
}

const missing = (what: string, hint = 'A wasi tool exports memory and _start, an abi tool memory and its function.'): Failed =>
  failed('not_found', what, hint)

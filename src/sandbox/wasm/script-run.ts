/**
 * Runs a JavaScript tool in QuickJS: an interpreter inside a module whose memory has a maximum (QuickJS's own memory limit is not
 * reliable), so that the tool shares no object with this thread. Only strings are exchanged.
 */
import { Directory, OpenFile, wasi } from '@bjorn3/browser_wasi_shim'
import baseVariant from '@jitl/quickjs-singlefile-mjs-release-sync'
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
} from 'quickjs-emscripten-core'
import { isErrorCode, type Json } from '../../base/index.ts'
import { maxToolInputBytes, scriptMinMemoryMb } from '../limits.ts'
import type { Answer } from './module-run.ts'
import type { CallHost, HostBridge } from './host-bridge.ts'
import { failed, type Failed, isFailed, quoted, trapFailure } from './tool-failure.ts'
import { type HostReply, type OutputWriter, sharedOutput, type ToolJob, writerOf } from './tool-channel.ts'
import type { MountedFolder } from './tool-tree.ts'
import { pageBytes, pagesPerMib, type WasmMemory, webAssembly } from './web-assembly.ts'

export interface ScriptEngine {
  run(job: ScriptJob, mounts: readonly MountedFolder[], bridge: HostBridge): Answer | Failed
  /** Runs a script that does nothing: what of the interpreter each script needs is compiled when it is first used. */
  warm(): void
}

type ScriptJob = Omit<ToolJob, 'port' | 'signal'>

/** Loads the interpreter, which does not count as the tool's time. */
export async function openScriptEngine(memoryMb: number): Promise<ScriptEngine> {
  const pages = Math.max(memoryMb, scriptMinMemoryMb) * pagesPerMib
  const memory = new webAssembly.Memory({ initial: scriptMinMemoryMb * pagesPerMib, maximum: pages })
  const variant = newVariant(baseVariant, { wasmMemory: memory as never })
  const engine = await newQuickJSWASMModuleFromVariant(variant)
  const run: ScriptEngine['run'] = (job, mounts, bridge) =>
    runScript({ runtime: engine.newRuntime(), memory, pages, job, mounts, ...bridge })
  return { run, warm: () => void run(idleJob(memoryMb), [], { callHost: () => '{"ok":{}}', waitedMs: () => 0 }) }
}

function idleJob(memoryMb: number): ScriptJob {
  const output = sharedOutput(0)
  const code = new TextEncoder().encode(`export default () => { try { oxbow.call('none', {}) } catch {} }`)
  const limits = { memoryMb, timeoutMs: 10_000, outputBytes: 100, fileBytes: 0 }
  return {
    kind: 'js',
    code,
    function: undefined,
    input: '{}',
    mounts: [],
    limits,
    waits: true,
    prelude: '',
    stdout: output,
    stderr: output,
  }
}

interface Script {
  readonly runtime: QuickJSRuntime
  readonly memory: WasmMemory
  readonly pages: number
  readonly job: ScriptJob
  readonly mounts: readonly MountedFolder[]
  readonly callHost: CallHost
  readonly waitedMs: () => number
}

/** Nothing is disposed: the thread ends with the run. */
function runScript(script: Script): Answer | Failed {
  const { runtime, job } = script
  const deadline = performance.now() + job.limits.timeoutMs
  const extra = (): number => (job.waits ? script.waitedMs() : 0)
  let isLate = false
  runtime.setInterruptHandler(() => (isLate ||= performance.now() > deadline + extra()))
  const answer = evaluateSafely(script)
  // The result of an interrupted tool is dropped.
  return isLate
    ? failed('timeout', `The tool ran longer than ${job.limits.timeoutMs} ms.`, 'Give it less to do, or a longer timeout.')
    : answer
}

/** The interpreter itself throws when it is interrupted, aborts or overflows its stack outside of the tool's code. */
function evaluateSafely(script: Script): Answer | Failed {
  try {
    return evaluate(script.runtime.newContext(), script)
  } catch (error) {
    return trapFailure(error, isFull(script.memory, script.pages))
  }
}

function evaluate(context: QuickJSContext, script: Script): Answer | Failed {
  const { job, mounts, callHost } = script
  const source = decodeSource(job.code)
  if (source === null) return failed('bad_input', 'The source of the tool is not UTF-8.', 'A js tool is an ES module as text.')
  const host = createScriptHost({ mounts, callHost, stdout: writerOf(job.stdout), stderr: writerOf(job.stderr) })
  const raw = context.newFunction('host', (...handles) => {
    const words = handles.map((each) => textOf(context, each, maxToolInputBytes))
    return context.newString(words.includes(null) ? tooLong : host(words.map(String)))
  })
  const prelude = context.unwrapResult(context.evalCode(scriptPrelude, 'oxbow.js'))
  const invoke = context.unwrapResult(context.callFunction(prelude, context.undefined, raw))
  if (job.prelude !== '') context.unwrapResult(context.evalCode(job.prelude, 'oxbow.js'))

  const loaded = settle(context, context.evalCode(source, 'tool.js', { type: 'module' }), script)
  if (isFailed(loaded)) return loaded
  const tool = pickExport(context, loaded, job.function)
  if (isFailed(tool)) return tool
  const input = context.newString(job.input)
  const returned = settle(context, context.callFunction(invoke, context.undefined, tool, input), script)
  if (isFailed(returned)) return returned
  const { outputBytes } = job.limits
  const output = textOf(context, returned, outputBytes)
  if (output !== null && Buffer.byteLength(output) <= outputBytes) return { output, exitCode: 0 }
  return failed('limit_reached', `The tool returned more than ${outputBytes} bytes.`, 'Return less, or write a file.')
}

/** @returns null for a longer text, or another value: it is measured before it is copied, see `toolHeapMb`. */
function textOf(context: QuickJSContext, handle: QuickJSHandle, maxChars: number): string | null {
  if (context.typeof(handle) !== 'string') return null
  return context.getNumber(context.getProp(handle, 'length')) <= maxChars ? context.getString(handle) : null
}

const tooLong = JSON.stringify({ error: failed('limit_reached', 'A text for the host is too long.', 'Split it.').failure })

function decodeSource(code: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(code)
  } catch {
    return null
  }
}

function pickExport(context: QuickJSContext, exports: QuickJSHandle, wanted: string | undefined): QuickJSHandle | Failed {
  for (const name of wanted === undefined ? ['default', 'run'] : [wanted]) {
    const found = context.getProp(exports, name)
    if (context.typeof(found) === 'function') return found
  }
  return failed(
    'not_found',
    wanted === undefined ? 'The tool exports no function.' : `The tool exports no function ${quoted(wanted)}.`,
    'Write `export default (input) => …`, or `export function run(input) { … }`.',
  )
}

type Evaluated = ReturnType<QuickJSContext['evalCode']>

/** Runs pending jobs of the interpreter until the promise settles. Host functions are synchronous, so nothing can come later. */
function settle(context: QuickJSContext, evaluated: Evaluated, script: Script): QuickJSHandle | Failed {
  if (evaluated.error !== undefined) return thrown(context, evaluated.error, script)
  const jobs = script.runtime.executePendingJobs()
  if (jobs.error !== undefined) return thrown(jobs.error.context, jobs.error, script)
  const state = context.getPromiseState(evaluated.value)
  if (state.type === 'fulfilled') return state.value
  if (state.type === 'rejected') return thrown(context, state.error, script)
  return failed(
    'tool_failed',
    'The tool waits for something that never happens.',
    'There are no timers and no events: a promise must settle by itself.',
  )
}

function thrown(context: QuickJSContext, error: QuickJSHandle, { memory, pages, job }: Script): Failed {
  const { name, message, code } = describe(context, error)
  // What a call of a durable script failed with, and nothing caught.
  if (job.waits && isErrorCode(code)) return failed(code, message, 'The program ended there.')
  const text = quoted(`${name}: ${message}`)
  if (isFull(memory, pages) || /out of memory/.test(message)) {
    return failed('limit_reached', 'The tool used all of its memory and stopped.', 'Give it less to do, or a higher memory limit.')
  }
  if (/stack overflow/.test(message))
    return failed('limit_reached', `The tool's stack overflowed: ${text}.`, 'Its recursion may be infinite.')
  if (job.waits) {
    const said = name === 'Error' ? quoted(message) : text
    return failed('tool_failed', `The program failed: ${/[.?!]$/.test(said) ? said : `${said}.`}`, 'What it printed may explain it.')
  }
  return failed('tool_failed', `The tool threw ${text}.`, 'This is an error of the tool; its console output may explain it.')
}

/** A tool may throw any value. Reading it runs at most code of the tool, under the same limits. */
function describe(
  context: QuickJSContext,
  error: QuickJSHandle,
): { readonly name: string; readonly message: string; readonly code: string } {
  const part = (key: string): string | null => textOf(context, context.getProp(error, key), maxThrownChars)
  const kind = context.typeof(error)
  if (kind === 'object')
    return { name: part('name') ?? 'an object', message: part('message') ?? 'without a message', code: part('code') ?? '' }
  return { name: `a ${kind}`, message: textOf(context, error, maxThrownChars) ?? 'without a message', code: '' }
}

/** Longer messages are dropped. */
const maxThrownChars = 10_000

function isFull(memory: WasmMemory, pages: number): boolean {
  // QuickJS grows by a fifth at a time; with less left it could not.
  return memory.buffer.byteLength + (pages / 16) * pageBytes > pages * pageBytes && pages > scriptMinMemoryMb * pagesPerMib
}

interface ScriptHostParts {
  readonly mounts: readonly MountedFolder[]
  readonly callHost: CallHost
  readonly stdout: OutputWriter
  readonly stderr: OutputWriter
}

/**
 * Runs in the interpreter before the tool and defines `console` and `oxbow.call`, `read`, `write` and `list`, which throw an Error
 * with `code` and `hint`. It captures the built-ins that it needs. @returns a function that calls the tool
 */
const scriptPrelude: string = `(host) => {
  const { parse, stringify } = JSON
  const { hasOwn } = Object
  const text = String
  const ask = (...words) => {
    const reply = parse(host(...words))
    if (!hasOwn(reply, 'error')) return reply.ok
    const { code, message, hint } = reply.error
    throw Object.assign(new Error(message), { code, hint })
  }
  const print = (where) => (...parts) => {
    ask(where, parts.map((part) => typeof part === 'string' ? part : (stringify(part) ?? text(part))).join(' ') + '\\n')
  }
  globalThis.console = { log: print('log'), info: print('log'), debug: print('log'), warn: print('error'), error: print('error') }
  globalThis.oxbow = Object.freeze({
    call: (name, input = null) => ask('call', text(name), stringify(input) ?? 'null'),
    read: (path) => ask('read', text(path)),
    write: (path, content) => ask('write', text(path), text(content)),
    list: (path) => ask('list', text(path)),
  })
  return async (tool, input) => stringify(await tool(parse(input))) ?? 'null'
}`

/** @returns a function that takes the parts of a request and returns a `HostReply` as JSON. */
function createScriptHost({ mounts, callHost, stdout, stderr }: ScriptHostParts): (words: readonly string[]) => string {
  const encoder = new TextEncoder()
  const print = (write: OutputWriter, text: string): Json => {
    write(encoder.encode(text))
    return null
  }
  const answer = (value: Json | Failed): string => {
    const reply: HostReply = isProblem(value) ? { error: value.failure } : { ok: value }
    return JSON.stringify(reply)
  }
  return ([verb = '', first = '', second = '']) => {
    switch (verb) {
      case 'call':
        return callHost(first, second)
      case 'read':
        return answer(readText(mounts, first))
      case 'write':
        return answer(writeText(mounts, first, encoder.encode(second)))
      case 'list':
        return answer(listFolder(mounts, first))
      default:
        return answer(print(verb === 'log' ? stdout : stderr, first))
    }
  }
}

/** No reply has this key: the three functions below return strings, lists and null. */
function isProblem(value: Json | Failed): value is Failed {
  return typeof value === 'object' && value !== null && 'failure' in value
}

const readRight = BigInt(wasi.RIGHTS_FD_READ)
const writeRight = BigInt(wasi.RIGHTS_FD_WRITE)

function readText(mounts: readonly MountedFolder[], path: string): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { ret, fd_obj: file } = place.mount.open.path_open(0, place.inside, 0, readRight, 0n, 0)
  if (!(file instanceof OpenFile)) return problemOf(ret, path)
  const { data } = file.file
  if (data.length > maxToolInputBytes)
    return failed('limit_reached', `${quoted(path)} is too large to read at once.`, 'A wasi tool can read it in parts.')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    return failed('not_text', `${quoted(path)} is not UTF-8.`, 'A wasi tool can read bytes.')
  }
}

/** Creates missing folders. */
function writeText(mounts: readonly MountedFolder[], path: string, bytes: Uint8Array): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { open } = place.mount
  const names = place.inside.split('/')
  for (let depth = 1; depth < names.length; depth += 1) open.path_create_directory(names.slice(0, depth).join('/'))
  const { ret, fd_obj: file } = open.path_open(0, place.inside, wasi.OFLAGS_CREAT | wasi.OFLAGS_TRUNC, writeRight, 0n, 0)
  if (!(file instanceof OpenFile)) return problemOf(ret, path)
  const written = file.fd_write(bytes)
  return written.ret === wasi.ERRNO_SUCCESS ? null : problemOf(written.ret, path)
}

/** Sorted names; folders' names end with `/`. */
function listFolder(mounts: readonly MountedFolder[], path: string): Json | Failed {
  const place = placeOf(mounts, path)
  if (place === null) return outside(path)
  const { ret, inode_obj: folder } = place.mount.open.path_lookup(place.inside, 0)
  if (!(folder instanceof Directory)) return problemOf(ret, path)
  return [...folder.contents].map(([name, inode]) => (inode instanceof Directory ? `${name}/` : name)).sort()
}

function placeOf(mounts: readonly MountedFolder[], path: string): { readonly mount: MountedFolder; readonly inside: string } | null {
  for (const mount of mounts) {
    if (path === mount.guest) return { mount, inside: '.' }
    if (path.startsWith(`${mount.guest}/`)) return { mount, inside: path.slice(mount.guest.length + 1) }
  }
  return null
}

const outside = (path: string): Failed =>
  failed('path_refused', `${quoted(path)} is in no mount.`, 'Pass an absolute path in a mounted folder.')

function problemOf(errno: number, path: string): Failed {
  const name = quoted(path)
  switch (errno) {
    case wasi.ERRNO_NOENT:
      return failed('not_found', `${name} does not exist.`, 'oxbow.list(folder) shows what exists.')
    case wasi.ERRNO_ROFS:
      return failed('denied', `${name} is in a read-only mount.`, 'Write into a mount that is rw.')
    case wasi.ERRNO_NOSPC:
    case wasi.ERRNO_FBIG:
    case wasi.ERRNO_NAMETOOLONG:
      return failed('limit_reached', `${name} cannot be written: the files of this run have reached their limit.`, 'Write less.')
    default:
      return failed('path_refused', `${name} leaves its mount or is of another kind.`, 'Files are read and written, folders listed.')
  }
}

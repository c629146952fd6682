/**
 * A program's tool, and the outcome of a run. Three kinds behind one interface:
 *
 * - `wasi`: a command module (`wasm32-wasip1`). JSON on standard input, JSON on standard output.
 * - `abi`: a module that exports `memory` and a function `(ptr, len) -> (ptr, len)`, JSON in and JSON out. The answer is two
 *   results, or one i64 with the pointer in its upper half (what a C or Rust compiler can return). Where the module exports
 *   `alloc(len) -> ptr`, the input is written there, else at offset 0.
 * - `js`: an ES module; the function is its default export, or the export that `function` names, and may be async.
 *
 * All three have the same environment: mounted folders, in memory, the given functions of the host, the clock, and random numbers. There is
 * no network, no environment and no file of the host.
 */
import type { ErrorCode, Failure, Json } from '../../base/index.ts'
import {
  maxToolCodeBytes,
  maxToolFileBytes,
  maxToolFiles,
  maxToolInputBytes,
  maxToolMemoryMb,
  maxToolMounts,
  maxToolOutputBytes,
  maxToolPathChars,
  maxToolTimeoutMs,
  toolFileBytes,
  toolMemoryMb,
  toolOutputBytes,
  toolTimeoutMs,
} from '../limits.ts'

export interface WasmTool {
  readonly kind: 'wasi' | 'abi' | 'js'
  /** The module, or the UTF-8 source of a `js` tool. */
  readonly code: Uint8Array
  /** For `abi` and `js`: which export to call. Default `run`; for `js` the default export takes precedence. */
  readonly function?: string
  readonly input: Json
  readonly mounts?: readonly ToolMount[]
  /** Less than the defaults of the room, or more up to its maxima; above those the run is refused. */
  readonly limits?: Partial<ToolLimits>
  /** The functions that the tool may call, by name. Other names are refused, and listed in the outcome. */
  readonly host?: HostFunctions
  /**
   * For a script that is a durable run: all else that it asks of the host, by name. The time that it waits for an answer does not count, and
   * its calls are not counted: whoever answers them does.
   */
  readonly waits?: AnswerCall
  /**
   * Calls of such a script that are on record, from a place on, in order: their answers go along with the one before, so that a script that goes on does not
   * wait for each. One that asks for something else is asked what it wants as ever.
   */
  readonly known?: (from: number) => Iterable<KnownCall>
  /** JavaScript that runs in the interpreter of a script before it, when `oxbow` is there, and may replace what the script finds. */
  readonly prelude?: string
  /** Ends the run at once. */
  readonly signal?: AbortSignal
}

export interface ToolMount {
  /** Its path for the tool: one absolute folder, e.g. `/shared`. */
  readonly guest: string
  readonly mode: 'ro' | 'rw'
  readonly files: readonly ToolFile[]
}

/** `path` is inside the mount, with `/`, and has no `.` or `..`. */
export interface ToolFile {
  readonly path: string
  readonly bytes: Uint8Array
}

export interface ToolLimits {
  /** The module's linear memory. QuickJS itself begins with 16. */
  readonly memoryMb: number
  /** Wall time, including host functions, from when the module is loaded; loading the runner does not count. */
  readonly timeoutMs: number
  /** Of each: standard output, standard error, the JSON that a tool returns. */
  readonly outputBytes: number
  /** All files of all mounts together, at any time. */
  readonly fileBytes: number
}

/** A function of the host. It must validate its input; the tool gets the code, message and hint of what it throws. */
type HostFunction = (input: Json, signal: AbortSignal) => Promise<Json>
/** What a script was answered before. */
export interface KnownCall {
  readonly name: string
  /** As `digestOf` of the JSON of its input. */
  readonly digest: string
  /** @throws as `AnswerCall` */
  readonly answer: () => Json
}

/** @returns by what an input is recognised */
export function digestOf(json: string): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', json)
}

/** @param place how many calls the script has made before @throws what the tool catches, see `HostFunctions` */
type AnswerCall = (name: string, input: Json, place: number) => Promise<Json>
export type HostFunctions = Readonly<Record<string, HostFunction>>

export type ToolOutcome = ToolDone | ToolFailed

export interface ToolDone extends ToolTrace {
  readonly ok: true
  /** What `abi` and `js` returned; null for `wasi`, whose answer is in `stdout`. */
  readonly output: Json
  /** 0 for `abi` and `js`. */
  readonly exitCode: number
  /** Changes in `rw` mounts, parents before children. */
  readonly changes: readonly ToolChange[]
}

/** Its file changes are not returned. */
interface ToolFailed extends ToolTrace {
  readonly ok: false
  readonly failure: Failure
}

/** Common to success and failure. */
interface ToolTrace {
  readonly stdout: OutputText
  readonly stderr: OutputText
  /** Names of host functions that it called without the right to, each once. */
  readonly refused: readonly string[]
  readonly ms: number
}

export interface OutputText {
  /** The beginning, up to the limit; what is not UTF-8 is replaced. */
  readonly text: string
  /** Bytes that were written but not kept. */
  readonly droppedBytes: number
}

/** `path` is as the tool sees it: `/shared/a.txt`. */
export type ToolChange =
  | { readonly kind: 'written'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'folder_made' | 'removed'; readonly path: string }

/** Defaults of a tool that sets no limits. */
export const defaultToolLimits: ToolLimits = {
  memoryMb: toolMemoryMb,
  timeoutMs: toolTimeoutMs,
  outputBytes: toolOutputBytes,
  fileBytes: toolFileBytes,
}

const maxima: ToolLimits = {
  memoryMb: maxToolMemoryMb,
  timeoutMs: maxToolTimeoutMs,
  outputBytes: maxToolOutputBytes,
  fileBytes: maxToolFileBytes,
}

/** Checks sizes, limits and mounts before a run. @param input as JSON. @returns why it is refused, or null */
export function refuseRequest(tool: WasmTool, input: string, limits: ToolLimits): Failure | null {
  if (tool.code.length > maxToolCodeBytes) {
    return refuse('limit_reached', `The tool has ${tool.code.length} bytes; the limit is ${maxToolCodeBytes}.`, 'Build it smaller.')
  }
  if (input.length > maxToolInputBytes) {
    return refuse('limit_reached', `The input has ${input.length} characters; the limit is ${maxToolInputBytes}.`, 'Give it as a file.')
  }
  for (const name of Object.keys(maxima) as (keyof ToolLimits)[]) {
    if (Number.isInteger(limits[name]) && limits[name] > 0 && limits[name] <= maxima[name]) continue
    return refuse('bad_input', `The limit ${name} cannot be ${limits[name]}.`, `Give a whole number from 1 to ${maxima[name]}.`)
  }
  return refuseMounts(tool.mounts ?? [], limits)
}

function refuseMounts(mounts: readonly ToolMount[], { fileBytes }: ToolLimits): Failure | null {
  if (mounts.length > maxToolMounts) return refuse('limit_reached', `There are more than ${maxToolMounts} mounts.`, 'Mount a folder above.')
  const files = mounts.flatMap((mount) => mount.files)
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0)
  if (files.length > maxToolFiles || bytes > fileBytes) {
    return refuse(
      'limit_reached',
      `The mounts have ${files.length} files with ${bytes} bytes; the limits are ${maxToolFiles} and ${fileBytes}.`,
      'Mount a smaller folder, or raise the limit.',
    )
  }
  for (const [at, { guest, files: own }] of mounts.entries()) {
    if (!isPlainPath(guest.slice(1)) || !guest.startsWith('/')) return badPath(guest)
    const others = mounts.slice(at + 1).map((mount) => mount.guest)
    if (others.some((other) => `${other}/`.startsWith(`${guest}/`) || `${guest}/`.startsWith(`${other}/`))) {
      return refuse('path_refused', `The mount ${guest} stands inside another one, or is there twice.`, 'Mount folders side by side.')
    }
    const bad = refuseFiles(own.map(({ path }) => path))
    if (bad !== null) return badPath(bad)
  }
  return null
}

/** @returns the first path that is not plain, is duplicated, or is both file and folder. */
function refuseFiles(paths: readonly string[]): string | null {
  const known = new Set(paths)
  const isBelowFile = (path: string): boolean =>
    path.split('/').some((_, depth, names) => depth > 0 && known.has(names.slice(0, depth).join('/')))
  return paths.find((path) => !isPlainPath(path) || isBelowFile(path)) ?? (known.size < paths.length ? (paths[0] ?? null) : null)
}

/** Relative, with `/`, and every part a name. */
export function isPlainPath(path: string): boolean {
  if (path.length > maxToolPathChars || path.includes('\0')) return false
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
}

const badPath = (path: string): Failure =>
  refuse('path_refused', `${JSON.stringify(path.slice(0, 200))} cannot be in a mount.`, 'Paths are plain names with / between, each once.')

const refuse = (code: ErrorCode, message: string, hint: string): Failure => ({ code, message, hint })

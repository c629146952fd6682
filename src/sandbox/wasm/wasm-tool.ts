/**
 * A tool that a program brings, and what comes of running it. Three kinds behind one interface:
 *
 * - `wasi`: a command module (`wasm32-wasip1`). The input is on its standard input as JSON; it answers on standard output.
 * - `abi`: a module that exports `memory` and a function `(ptr, len) -> (ptr, len)`, JSON in and JSON out. The answer is two
 *   results, or one i64 with the pointer in its upper half (what a C or Rust compiler can return). Where the module exports
 *   `alloc(len) -> ptr`, the input is written there, else at offset 0.
 * - `js`: an ES module; the function is its default export, or the export that `function` names, and may be async.
 *
 * All three see the same world: the folders that are mounted, in memory, the functions of the host that are handed in, the
 * clock, and chance. There is no network, no environment and no file of the host.
 */
import type { Failure, Json } from '../../types/index.ts'

export interface WasmTool {
  readonly kind: 'wasi' | 'abi' | 'js'
  /** The module, or the UTF-8 source of a `js` tool. */
  readonly code: Uint8Array
  /** For `abi` and `js`: which export to call. Default `run`; for `js` the default export goes before it. */
  readonly function?: string
  readonly input: Json
  readonly mounts?: readonly ToolMount[]
  /** Less than the defaults of the room, or more up to its maxima; above those the run is refused. */
  readonly limits?: Partial<ToolLimits>
  /** What the tool may call, by name: its rights. A name that is not here is refused, and named in the outcome. */
  readonly host?: HostFunctions
  /** Ends the run at once, wherever it is. */
  readonly signal?: AbortSignal
}

export interface ToolMount {
  /** Where the tool sees it: one absolute folder, e.g. `/shared`. */
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
  /** Wall clock, host functions included. From when the module is there; loading the runner does not count. */
  readonly timeoutMs: number
  /** Of each: standard output, standard error, the JSON that a tool returns. */
  readonly outputBytes: number
  /** All files of all mounts together, at any time. */
  readonly fileBytes: number
}

/** A function of the host. It checks its input itself; what it throws reaches the tool as code, message and hint. */
export type HostFunction = (input: Json, signal: AbortSignal) => Promise<Json>
export type HostFunctions = Readonly<Record<string, HostFunction>>

export type ToolOutcome = ToolDone | ToolFailed

export interface ToolDone extends ToolTrace {
  readonly ok: true
  /** What `abi` and `js` returned; null for `wasi`, whose answer is in `stdout`. */
  readonly output: Json
  /** 0 for `abi` and `js`. */
  readonly exitCode: number
  /** What became different under `rw` mounts, parents before children. */
  readonly changes: readonly ToolChange[]
}

/** Nothing of its files is given back. */
export interface ToolFailed extends ToolTrace {
  readonly ok: false
  readonly failure: Failure
}

/** What is known however it ended. */
interface ToolTrace {
  readonly stdout: OutputText
  readonly stderr: OutputText
  /** Names of the host that it asked for and had no right to, each once. */
  readonly refused: readonly string[]
  readonly ms: number
}

export interface OutputText {
  /** The beginning, up to the limit; what is not UTF-8 is replaced. */
  readonly text: string
  /** Bytes that were written and not kept. */
  readonly droppedBytes: number
}

/** `path` is as the tool sees it: `/shared/a.txt`. */
export type ToolChange =
  | { readonly kind: 'written'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'folder_made' | 'removed'; readonly path: string }

/**
 * Messages between the thread of a tool and the main thread. The tool's output is not sent as messages but written to shared memory, so
 * that it survives the thread, and a flood of small writes costs the main thread nothing.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Failure, Json } from '../../base/index.ts'
import type { OutputText, ToolChange, ToolLimits, ToolMount, WasmTool } from './wasm-tool.ts'

/** The `workerData` of a thread that is started ahead: it loads the interpreter with this memory, and gets its job as a message. */
export interface ThreadAhead {
  readonly ahead: number
}

/** The thread's `workerData`. */
export interface ToolJob {
  readonly kind: WasmTool['kind']
  readonly code: Uint8Array
  readonly function: string | undefined
  /** JSON. */
  readonly input: string
  readonly mounts: readonly ToolMount[]
  readonly limits: ToolLimits
  /** See `WasmTool.waits`. */
  readonly waits: boolean
  /** See `WasmTool.prelude`; empty: none. */
  readonly prelude: string
  readonly stdout: SharedArrayBuffer
  readonly stderr: SharedArrayBuffer
  /** One Int32: 0 during a call of the host, 1 when the port has its reply. */
  readonly signal: SharedArrayBuffer
  readonly port: MessagePort
}

/** From the thread. `running` starts the time limit. */
export type ToolMessage =
  | { readonly type: 'running' }
  | { readonly type: 'call'; readonly name: string; readonly input: string; readonly place: number }
  | { readonly type: 'ended'; readonly result: ToolEnd }

/** `output` is what should be JSON. */
export type ToolEnd =
  | { readonly ok: true; readonly output: string; readonly exitCode: number; readonly changes: readonly ToolChange[] }
  | { readonly ok: false; readonly failure: Failure }

/** To the thread, for a call: the `HostReply` as JSON, and what the calls that follow are answered if they are the ones on record. */
export interface ToolAnswer {
  readonly reply: string
  readonly known: readonly KnownReply[]
}

/** See `KnownCall`. */
export interface KnownReply {
  readonly name: string
  readonly digest: string
  readonly reply: string
}

/** Result of a call of the host; the tool gets this JSON. */
export type HostReply = { readonly ok: Json } | { readonly error: Failure }

/** Bytes before the text in the memory of an output: how many were kept, and how many were dropped, as two Uint32. */
const outputHeadBytes = 8

export type OutputWriter = (bytes: Uint8Array) => void

export function sharedOutput(maxBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(outputHeadBytes + maxBytes)
}

/** In the thread. Writes the bytes before the count that covers them. */
export function writerOf(shared: SharedArrayBuffer): OutputWriter {
  const counts = new Uint32Array(shared, 0, 2)
  const room = new Uint8Array(shared, outputHeadBytes)
  return (bytes) => {
    const kept = Atomics.load(counts, 0)
    const fits = bytes.subarray(0, room.length - kept)
    room.set(fits, kept)
    Atomics.store(counts, 0, kept + fits.length)
    // Counted up to 4 GiB: then the count stops.
    const dropped = Atomics.load(counts, 1) + bytes.length - fits.length
    Atomics.store(counts, 1, Math.min(dropped, 0xffff_ffff))
  }
}

/** In the main thread, even after the thread was terminated during a write. */
export function readOutput(shared: SharedArrayBuffer): OutputText {
  const counts = new Uint32Array(shared, 0, 2)
  const kept = new Uint8Array(shared, outputHeadBytes).slice(0, Atomics.load(counts, 0))
  return { text: new TextDecoder().decode(kept), droppedBytes: Atomics.load(counts, 1) }
}

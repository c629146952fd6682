/** What a tool writes, in memory that thread and keeper share: the beginning is kept, the rest is counted. */
import { outputHeadBytes } from './worker-message.ts'
import type { OutputText } from './wasm-tool.ts'

export type OutputWriter = (bytes: Uint8Array) => void

export function sharedOutput(maxBytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(outputHeadBytes + maxBytes)
}

/** In the thread. Bytes are there before the count that covers them. */
export function writerOf(shared: SharedArrayBuffer): OutputWriter {
  const counts = new Uint32Array(shared, 0, 2)
  const room = new Uint8Array(shared, outputHeadBytes)
  return (bytes) => {
    const kept = Atomics.load(counts, 0)
    const fits = bytes.subarray(0, room.length - kept)
    room.set(fits, kept)
    Atomics.store(counts, 0, kept + fits.length)
    // Counted up to 4 GiB: past that it is only "very much".
    const dropped = Atomics.load(counts, 1) + bytes.length - fits.length
    Atomics.store(counts, 1, Math.min(dropped, 0xffff_ffff))
  }
}

/** In the keeper, also after the thread was ended in the middle of a write. */
export function readOutput(shared: SharedArrayBuffer): OutputText {
  const counts = new Uint32Array(shared, 0, 2)
  const kept = new Uint8Array(shared, outputHeadBytes).slice(0, Atomics.load(counts, 0))
  return { text: new TextDecoder().decode(kept), droppedBytes: Atomics.load(counts, 1) }
}

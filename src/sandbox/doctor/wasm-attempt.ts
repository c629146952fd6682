/** Tries tools of programs: a module that ends, one that never does, and one that wants more memory than it may have. */
import { runTool } from '../wasm/run-tool.ts'
import { missing, ok } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { spinMs, startTimeoutMs } from './limits.ts'

export const wasmAttempt: Attempt = {
  name: 'WASM tools',
  timeoutMs: startTimeoutMs,
  async run() {
    const ends = await runModule(nothing)
    if (!ends.ok) return missing(`a module cannot be run: ${ends.failure.message}`, 'Please report this.')
    if ((await runModule(forever)).ok) return missing('a module that never ends was not ended', 'Please report this.')
    const grown = await runModule(grows)
    if (!grown.ok) return missing('a module got more memory than it may have', 'Please report this.')
    return ok('run, ended at their time limit, held to their memory')
  },
}

function runModule(body: readonly number[]): ReturnType<typeof runTool> {
  return runTool({ kind: 'wasi', code: moduleOf(body), input: null, limits: { timeoutMs: spinMs, memoryMb: 2 } })
}

// Instructions of WebAssembly, by the binary format of its specification, section 5.4.
const nothing = [0x0b]
/** loop br 0 end */
const forever = [0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b]
/** 2000 pages are asked for; anything but -1 is a trap. */
const grows = [0x41, 0xd0, 0x0f, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x04, 0x40, 0x00, 0x0b, 0x0b]

const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

/** A module with one page of memory and `_start`, which has this body. */
function moduleOf(body: readonly number[]): Uint8Array {
  const text = (word: string): number[] => [word.length, ...Buffer.from(word)]
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes]
  return Uint8Array.from([
    ...magic,
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...text('memory'), 2, 0, ...text('_start'), 0, 0]),
    ...section(10, [1, body.length + 1, 0, ...body]),
  ])
}

/**
 * The output of one session while it lives and after: what is kept of it, whether a shell waits for input, and the readers that wait for
 * more.
 */
import type { SessionEnd, SessionOps, SessionOutput, SessionPrompt } from '../../protocol/index.ts'
import { throwIfCancelled } from '../failure.ts'
import { maxSessionBytes, maxSessionPageBytes, promptSettleMs } from '../limits.ts'
import { createMarkFinder, pageEnd, pageStart, toPlainText } from './output-text.ts'

export interface SessionOutlet {
  push(chunk: Buffer): void
  /** Records that lines of input were written: after as many prompts the shell waits again. */
  wrote(lines: number): void
  end(end: SessionEnd): void
  total(): number
  ended(): SessionEnd | null
  prompt(): SessionPrompt | null
  /** @throws the failure `cancelled` */
  read(input: SessionOps['sessionRead']['input'], signal: AbortSignal): Promise<SessionOutput>
}

/**
 * @param afterPrompt drop output before the first prompt: a shell without a terminal complains that it has none
 * @param inFront whether the shell itself is in the foreground: input that was typed ahead may run since its prompt
 */
export function createSessionOutlet(afterPrompt: boolean, inFront: () => boolean): SessionOutlet {
  const ring = createOutputRing(maxSessionBytes)
  const findMarks = createMarkFinder()
  const waiting = new Set<() => void>()
  let silent = afterPrompt
  let awaited = 1
  let exitCode: number | null = null
  let ended: SessionEnd | null = null
  let lastPushMs = performance.now()
  const wake = (): void => {
    for (const resolve of waiting) resolve()
  }

  const outlet: SessionOutlet = {
    push(chunk) {
      lastPushMs = performance.now()
      const marks = findMarks(chunk)
      for (const mark of marks) exitCode = mark.exitCode
      awaited -= marks.length
      if (silent && marks.length === 0) return
      ring.push(silent ? chunk.subarray(Math.max(0, marks[0]!.end)) : chunk)
      silent = false
      wake()
    },
    wrote(lines) {
      awaited = Math.max(1, lines)
    },
    end(end) {
      ended = end
      ring.seal()
      wake()
    },
    total: ring.total,
    ended: () => ended,
    prompt: () => (awaited <= 0 && ended === null && inFront() ? { exitCode } : null),
    async read(input, signal) {
      const begin = performance.now()
      const from = input.from >= 0 ? input.from : Math.max(0, ring.total() + input.from)
      const maxBytes = Math.min(input.maxBytes, maxSessionPageBytes)
      /** How long to wait further for the reply; 0 when it is complete. */
      const leftMs = (): number => {
        const fresh = ring.total() - from
        const untilLimit = begin + input.waitMs - performance.now()
        if (ended !== null || fresh >= maxBytes) return 0
        if (input.until === 'output' && fresh <= 0) return untilLimit
        const silenceMs = outlet.prompt() === null ? input.quietMs : Math.min(promptSettleMs, input.quietMs)
        return Math.min(untilLimit, Math.max(begin, lastPushMs) + silenceMs - performance.now())
      }
      for (let left = leftMs(); left > 0; left = leftMs()) {
        throwIfCancelled(signal)
        await changeOr(waiting, left, signal)
      }
      throwIfCancelled(signal)
      return { ...pageOf(ring, from, maxBytes, ended !== null, input.plain), ended, prompt: outlet.prompt() }
    },
  }
  return outlet
}

/** @param isOver no more will come: an incomplete character at the end is returned as it is */
function pageOf(
  ring: OutputRing,
  requested: number,
  maxBytes: number,
  isOver: boolean,
  plain: boolean,
): Omit<SessionOutput, 'ended' | 'prompt'> {
  const total = ring.total()
  const first = Math.min(Math.max(requested, ring.start()), total)
  const bytes = ring.slice(first, maxBytes)
  const skipped = pageStart(bytes)
  const rest = bytes.subarray(skipped)
  const isLast = isOver && first + bytes.length === total
  const shown = rest.subarray(0, isLast ? rest.length : pageEnd(rest))
  const text = plain ? toPlainText(shown.toString()) : shown.toString()
  const from = first + skipped
  return { text, from, next: from + shown.length, total, dropped: Math.max(0, first - requested) }
}

function changeOr(waiting: Set<() => void>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      waiting.delete(done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    waiting.add(done)
    signal.addEventListener('abort', done, { once: true })
  })
}

// A ring buffer of the newest output, addressed by offset from the first byte. The oldest bytes are dropped.

interface OutputRing {
  push(chunk: Buffer): void
  /** Offset of the oldest byte that is kept, and the number of all bytes received. */
  start(): number
  total(): number
  /** @returns a copy; at most what is kept from `from` on */
  slice(from: number, maxBytes: number): Buffer
  /** Releases unused memory: nothing more will come. */
  seal(): void
}

/** Initial size of the buffer, which doubles as needed. */
const firstBytes = 4096

/** @param maxBytes size limit of the buffer */
export function createOutputRing(maxBytes: number): OutputRing {
  let bytes = Buffer.alloc(Math.min(firstBytes, maxBytes))
  let total = 0
  const kept = (): number => Math.min(total, bytes.length)
  const slice = (from: number, maxLength: number): Buffer => {
    const begin = Math.max(from, total - kept())
    const length = Math.max(0, Math.min(maxLength, total - begin))
    const at = begin % bytes.length
    const first = bytes.subarray(at, Math.min(at + length, bytes.length))
    return Buffer.concat([first, bytes.subarray(0, length - first.length)])
  }
  /** Byte n is stored at n modulo the capacity. */
  const place = (chunk: Buffer, offset: number): void => {
    const at = offset % bytes.length
    const first = Math.min(chunk.length, bytes.length - at)
    chunk.copy(bytes, at, 0, first)
    chunk.copy(bytes, 0, first)
  }
  const resize = (capacity: number): void => {
    const whole = slice(total - Math.min(kept(), capacity), capacity)
    bytes = Buffer.alloc(capacity)
    place(whole, total - whole.length)
  }
  return {
    push(chunk) {
      let capacity = bytes.length
      while (capacity < maxBytes && kept() + chunk.length > capacity) capacity = Math.min(capacity * 2, maxBytes)
      if (capacity > bytes.length) resize(capacity)
      const last = chunk.subarray(Math.max(0, chunk.length - bytes.length))
      total += chunk.length
      place(last, total - last.length)
    },
    start: () => total - kept(),
    total: () => total,
    slice,
    seal: () => resize(Math.max(1, kept())),
  }
}

// Passes a number of bytes in each window of time, then pauses the source until the next window. So a program that floods its output blocks
// on its pipe instead of keeping hands busy.

export interface Throttle {
  took(bytes: number): void
  /** Lifts the limit: the source ends. */
  release(): void
}

export function createThrottle(source: { pause(): unknown; resume(): unknown }, windowBytes: number, windowMs: number): Throttle {
  let begin = performance.now()
  let bytes = 0
  let held: NodeJS.Timeout | null = null
  let released = false
  const go = (): void => {
    held = null
    begin = performance.now()
    bytes = 0
    source.resume()
  }
  return {
    took(more) {
      const now = performance.now()
      if (now - begin > windowMs) {
        begin = now
        bytes = 0
      }
      bytes += more
      if (released || held !== null || bytes < windowBytes) return
      source.pause()
      held = setTimeout(go, Math.max(1, windowMs - (now - begin)))
    },
    release() {
      released = true
      if (held === null) return
      clearTimeout(held)
      go()
    },
  }
}

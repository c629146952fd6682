/** The output of one session while it lives and after: what is kept of it, whether a shell waits for input, and who waits for more. */
import type { SessionEnd, SessionOps, SessionOutput, SessionPrompt } from '../../types/index.ts'
import { throwIfCancelled } from '../failure.ts'
import { maxSessionBytes, maxSessionPageBytes, promptSettleMs } from '../limits.ts'
import { createOutputRing } from './output-ring.ts'
import type { OutputRing } from './output-ring.ts'
import { pageEnd, pageStart, toPlainText } from './plain-text.ts'
import { createMarkFinder } from './prompt-mark.ts'

export interface SessionOutlet {
  push(chunk: Buffer): void
  /** So many lines were written: a prompt for each of them, and the shell waits again. */
  wrote(lines: number): void
  end(end: SessionEnd): void
  total(): number
  ended(): SessionEnd | null
  prompt(): SessionPrompt | null
  /** @throws the failure `cancelled` */
  read(input: SessionOps['sessionRead']['input'], signal: AbortSignal): Promise<SessionOutput>
}

/**
 * @param afterPrompt nothing counts before the first prompt: a shell without a terminal complains that it has none
 * @param inFront whether the shell itself may read: what was typed ahead may run since its prompt
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
      /** How long the answer may still be waited for; 0 when it is there. */
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

/** @param isOver no more will come: what is cut in two stays so */
function pageOf(
  ring: OutputRing,
  asked: number,
  maxBytes: number,
  isOver: boolean,
  plain: boolean,
): Omit<SessionOutput, 'ended' | 'prompt'> {
  const total = ring.total()
  const first = Math.min(Math.max(asked, ring.start()), total)
  const bytes = ring.slice(first, maxBytes)
  const skipped = pageStart(bytes)
  const rest = bytes.subarray(skipped)
  const isLast = isOver && first + bytes.length === total
  const shown = rest.subarray(0, isLast ? rest.length : pageEnd(rest))
  const text = plain ? toPlainText(shown.toString()) : shown.toString()
  const from = first + skipped
  return { text, from, next: from + shown.length, total, dropped: Math.max(0, first - asked) }
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

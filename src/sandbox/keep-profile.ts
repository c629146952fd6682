/** Keeps one hands process of a profile: started at the first request, started afresh after it ended or was replaced. */
import type { Hands } from '../protocol/index.ts'
import type { HandsProcess } from './hands/hands-process.ts'
import { replacedRestMs } from './limits.ts'

export interface ProfileKeeper {
  /** @throws as `start`, and what `closed` returns once it is closed */
  open(): Promise<Hands>
  /** The hands that run; null: none do. */
  running(): Promise<HandsProcess | null>
  /** Requests that follow get new hands. The old ones end when they have answered and nobody asks them any more; or at once. */
  replace(atOnce: boolean): Promise<void>
  close(): Promise<void>
}

/** A process that counts its requests, so that it can end between them. */
interface Tended {
  isOpen(): boolean
  readonly process: HandsProcess
  readonly hands: Hands
  /** Ends it after so long without a request; null: it stays. Counts from now. */
  restAfter(ms: number | null): void
  end(): Promise<void>
}

/** @param idleMs how long without a request until it is ended; null: it stays */
export function keepProfile(start: () => Promise<HandsProcess>, idleMs: number | null, closedFailure: () => Error): ProfileKeeper {
  let current: Promise<Tended> | null = null
  let isClosed = false
  const replaced = new Set<Tended>()
  const begin = (): Promise<Tended> => start().then(tend)
  const settled = (tended: Promise<Tended> | null): Promise<Tended | null> => (tended ?? Promise.resolve(null)).catch(() => null)
  return {
    async open() {
      const before = current
      const running = await settled(before)
      if (isClosed) throw closedFailure()
      if (running?.isOpen() !== true && current === before) current = begin()
      // Another request may have begun a new one while this one waited.
      const tended = await (current ??= begin())
      tended.restAfter(idleMs)
      return tended.hands
    },
    async running() {
      const tended = await settled(current)
      return tended?.isOpen() === true ? tended.process : null
    },
    async replace(atOnce) {
      const old = current
      current = null
      const tended = await settled(old)
      if (atOnce) await Promise.all([...replaced, ...(tended === null ? [] : [tended])].map((one) => one.end()))
      else if (tended?.isOpen() === true) {
        for (const one of replaced) if (!one.isOpen()) replaced.delete(one)
        replaced.add(tended)
        tended.restAfter(replacedRestMs)
      }
    },
    async close() {
      isClosed = true
      const last = await settled(current)
      await Promise.all([...replaced, ...(last === null ? [] : [last])].map((one) => one.end()))
    },
  }
}

function tend(process: HandsProcess): Tended {
  let restMs: number | null = null
  let requests = 0
  let hasEnded = false
  let timer: NodeJS.Timeout | undefined
  const end = async (): Promise<void> => {
    clearTimeout(timer)
    hasEnded = true
    await process.kill()
  }
  const rest = (): void => {
    clearTimeout(timer)
    if (restMs !== null && requests === 0) timer = setTimeout(() => void end(), restMs).unref()
  }
  return {
    process,
    isOpen: () => !hasEnded && process.isOpen(),
    hands: {
      async ask(op, input, options) {
        requests += 1
        clearTimeout(timer)
        try {
          return await process.hands.ask(op, input, options)
        } finally {
          requests -= 1
          rest()
        }
      },
    },
    restAfter(ms) {
      restMs = ms
      rest()
    },
    end,
  }
}

/** What has happened on the host, by number: a file of the runner, a line for each, which readers follow by cursor. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { isObject, writeWhole } from '../../base/index.ts'
import type { HostEvent } from '../../protocol/index.ts'
import { readText } from '../file-owner.ts'
import { keptHostEvents, maxHostEvents, userEventsPerMinute } from './limits.ts'

export interface HostEvents {
  /** Never throws: a full disk must not stop a guest. Events about one user that come too fast are left out. */
  note(kind: string, user: string, text: string, at?: number): void
  /** @returns events after a number, the oldest first, at most as many */
  after(n: number, limit: number, isMine: (event: HostEvent) => boolean): readonly HostEvent[]
  /** @returns the newest one of a kind */
  newest(kind: string): HostEvent | undefined
  /** The number of the newest one. */
  last(): number
  /** Resolves when there is a newer one, or the signal aborts. */
  next(signal: AbortSignal): Promise<void>
}

/** @param folder the runner's own @param onEvent receives each that is noted */
export function openHostEvents(folder: string, now: () => number, onEvent: (event: HostEvent) => void): HostEvents {
  const path = join(folder, 'host-events.jsonl')
  let events = readEvents(path)
  let isWhole = true
  const waiting = new Set<() => void>()
  const recent = new Map<string, { minute: number; count: number }>()
  const write = (event: HostEvent): void => {
    try {
      if (isWhole && events.length <= maxHostEvents) return appendFileSync(path, lineOf(event), { mode: 0o600 })
      if (events.length > maxHostEvents) events = events.slice(-keptHostEvents)
      writeWhole(path, events.map(lineOf).join(''))
      isWhole = true
    } catch {
      // Written with the next one.
      isWhole = false
    }
  }
  const isTooFast = (user: string): boolean => {
    if (user === '') return false
    const minute = Math.floor(now() / 60_000)
    const seen = recent.get(user)
    const count = seen?.minute === minute ? seen.count + 1 : 1
    recent.set(user, { minute, count })
    return count > userEventsPerMinute
  }
  return {
    note(kind, user, text, at = now()) {
      if (isTooFast(user)) return
      const event = { n: (events.at(-1)?.n ?? 0) + 1, at, kind, user, text: text.slice(0, maxTextChars) }
      events.push(event)
      write(event)
      onEvent(event)
      for (const wake of waiting) wake()
    },
    after: (n, limit, isMine) => events.filter((event) => event.n > n && isMine(event)).slice(0, limit),
    newest: (kind) => events.findLast((event) => event.kind === kind),
    last: () => events.at(-1)?.n ?? 0,
    next(signal) {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.add(resolve)
      signal.addEventListener('abort', () => resolve())
      if (signal.aborted) resolve()
      return promise.finally(() => waiting.delete(resolve))
    },
  }
}

/** A page of 200 of them fits a message. */
const maxTextChars = 400

const lineOf = (event: HostEvent): string => `${JSON.stringify(event)}\n`

/** Lines that a power loss tore are left out. */
function readEvents(path: string): HostEvent[] {
  return (readText(path) ?? '')
    .split('\n')
    .flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line)
        return isObject(value) && Number.isSafeInteger(value['n']) ? [value as unknown as HostEvent] : []
      } catch {
        return []
      }
    })
    .slice(-maxHostEvents)
}

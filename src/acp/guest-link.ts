/**
 * The guest behind an editor, which lives longer than one guest: a guest that dies is replaced, its open turns go on, and sessions that
 * are followed are followed again from their cursor. Nothing is started before an editor needs it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FollowEvent } from '../client/index.ts'
import { inRecordOrder } from '../terminal/index.ts'
import { isOxbowError, OxbowError, type SessionId } from '../base/index.ts'
import type { RecordView } from '../protocol/index.ts'
import { guestPauseMs, maxShortLives, shortLifeMs } from './limits.ts'
import type { AcpPorts, Gateway, Link } from './ports.ts'

export interface GuestLink {
  /** The guest of now, once there is one. @throws OxbowError when none can be started */
  gateway(): Promise<Gateway>
  /** Runs a request that may be repeated, again with the next guest when one dies. @throws OxbowError */
  repeat<Value>(request: (gateway: Gateway) => Promise<Value>): Promise<Value>
  /** Follows a session across guests. @param past its records that are known @returns a function that stops it @throws OxbowError */
  follow(session: SessionId, past: readonly RecordView[], handler: (event: FollowEvent) => void): Promise<() => void>
  close(): Promise<void>
}

interface Followed {
  readonly session: SessionId
  readonly handler: (event: FollowEvent) => void
  cursor: number
  stop: () => void
}

export function createGuestLink({ open, log }: Pick<AcpPorts, 'open' | 'log'>): GuestLink {
  const followed = createFollowed()
  const life = createLife({
    open,
    log,
    onLost: async (again) => {
      if (!followed.isEmpty()) await followed.again((await again()).gateway)
    },
  })
  return {
    gateway: async () => (await life.link()).gateway,
    async repeat(request) {
      for (let losses = 0; ; losses += 1) {
        const { gateway, gone } = await life.link()
        try {
          return await request(gateway)
        } catch (error) {
          if (!isOxbowError(error, 'guest_unreachable') || losses > maxShortLives) throw error
          await Promise.race([gone, sleep(guestPauseMs)])
        }
      }
    },
    follow: async (session, past, handler) => followed.begin((await life.link()).gateway, session, past, handler),
    async close() {
      followed.clear()
      await life.close()
    },
  }
}

interface LifeDeps extends Pick<AcpPorts, 'open' | 'log'> {
  /** A guest is gone. @param again starts the next one */
  readonly onLost: (again: () => Promise<Link>) => Promise<void>
}

/** One guest at a time, started on need. */
function createLife({ open, log, onLost }: LifeDeps): { link(): Promise<Link>; close(): Promise<void> } {
  let current: Promise<Link> | null = null
  let isClosed = false
  let shortLives = 0
  const watch = async (opened: Link, forget: () => void): Promise<void> => {
    const beganAt = performance.now()
    const failure = await opened.gone
    forget()
    await opened.close().catch(() => {})
    if (isClosed) return
    shortLives = performance.now() - beganAt < shortLifeMs ? shortLives + 1 : 0
    log(`The guest is gone: ${failure.message} ${failure.hint}`)
    if (shortLives > maxShortLives) return
    await sleep(shortLives * guestPauseMs)
    await onLost(link).catch((error: unknown) => log(`No other guest could be started: ${String(error)}`))
  }
  const link = (): Promise<Link> => {
    if (isClosed) return Promise.reject(new OxbowError('cancelled', 'The connection of the editor has ended.', { hint: 'Start again.' }))
    if (current !== null) return current
    const opening = open()
    current = opening
    const forget = (): void => {
      if (current === opening) current = null
    }
    opening.then((opened) => void watch(opened, forget), forget)
    return opening
  }
  return {
    link,
    async close() {
      isClosed = true
      const opened = await current?.catch(() => null)
      await opened?.close()
    },
  }
}

/** The sessions that are followed, each from its cursor. */
function createFollowed() {
  const followed = new Set<Followed>()
  const begin = async (gateway: Gateway, one: Followed, past: readonly RecordView[]): Promise<void> => {
    const take = inRecordOrder(past, one.handler)
    const following = await gateway.follow(one.session, one.cursor, (event) => {
      if (!followed.has(one)) return
      if (event.type === 'record') one.cursor = Math.max(one.cursor, event.record.seq)
      // Another guest may follow.
      if (event.type !== 'ended' || event.failure.code !== 'guest_unreachable') take(event)
    })
    one.stop = following.stop
    if (!followed.has(one)) following.stop()
  }
  return {
    isEmpty: (): boolean => followed.size === 0,
    clear: (): void => followed.clear(),
    async again(gateway: Gateway): Promise<void> {
      for (const one of followed) await begin(gateway, one, [])
    },
    async begin(gateway: Gateway, session: SessionId, past: readonly RecordView[], handler: Followed['handler']): Promise<() => void> {
      const one: Followed = { session, handler, cursor: past.at(-1)?.seq ?? 0, stop: () => {} }
      followed.add(one)
      try {
        await begin(gateway, one, past)
      } catch (error) {
        followed.delete(one)
        throw error
      }
      return () => {
        followed.delete(one)
        one.stop()
      }
    },
  }
}

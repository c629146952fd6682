/**
 * Hands that this node has for branches of guests on other nodes, up to its capacity. Each place has a lease, a key that others see; its request
 * in the queue stays in progress. Whatever ends a place (its guest, the lease, silence, this node's own end) ends its processes first.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { type Clock, errorMessage } from '../../base/index.ts'
import type { FarEnds, FarPlace, FarPlaces } from '../../sandbox/index.ts'
import { createLeases } from '../lease.ts'
import { handsRoomMs, handsUnheldMs, leaseMarginMs, leaseMs, renewMs, sweepMs } from '../limits.ts'
import type { HandsNote, HandsOffer, HandsQueue } from './hands-queue.ts'
import { admit, handsPath } from './hands-wire.ts'

export interface HandsHostDeps {
  readonly queue: HandsQueue
  readonly clock: Clock
  readonly node: string
  /** Of its door. */
  readonly url: string
  readonly labels: readonly string[]
  readonly capacity: number
  readonly ends: Pick<FarEnds, 'openFarPlace'>
  readonly places: FarPlaces
  readonly say: (text: string) => void
}

export interface HandsHost {
  /** @param peer the node that connects @returns false: it is no connection to hands */
  takes(request: IncomingMessage, socket: Duplex, head: Buffer, peer: string): boolean
  /** Places that are taken. */
  used(): number
  close(): Promise<void>
}

interface Given {
  readonly offer: HandsOffer
  readonly place: FarPlace
  /** By the monotonic clock. */
  readonly since: number
}

export async function startHandsHost(deps: HandsHostDeps): Promise<HandsHost> {
  const { queue, clock, capacity } = deps
  const all = new Map<string, Given>()
  const onLost = (id: string): void => void all.get(id)?.place.end('cut')
  const leases = createLeases({ port: queue.leases, clock, leaseMs, marginMs: leaseMarginMs, onLost })
  const stop = new AbortController()
  let starting = 0
  const take = async (offer: HandsOffer): Promise<void> => {
    const { id } = offer.request
    // A second request for what is here comes from a guest that does not hold it any more.
    if (all.has(id) || stop.signal.aborted || all.size + starting >= capacity) return offer.later(handsRoomMs)
    starting += 1
    try {
      const since = Math.round(clock.now())
      if ((await leases.acquire(id, noteOf(deps, offer, since))) === null) return offer.later(handsRoomMs)
      begin(deps, all, offer, () => leases.release(id))
    } finally {
      starting -= 1
    }
  }
  if (capacity > 0) await queue.take(deps.labels, stop.signal, take)
  const renewing = setInterval(() => {
    void leases.renew()
    for (const { offer } of all.values()) offer.working()
  }, renewMs)
  const checking = setInterval(() => {
    leases.check()
    for (const { place, since } of all.values()) {
      if (place.isHeld()) place.check()
      else if (clock.monotonicMs() - since >= handsUnheldMs) void place.end('done')
    }
  }, sweepMs)
  return {
    used: () => all.size,
    takes(request, socket, head, peer) {
      const id = handsPath(request)
      if (id === null) return false
      const given = all.get(id)
      // Whoever reads the queue knows the token, too: it counts from the node that has asked.
      const token = given?.offer.request.home === peer ? given.offer.request.token : null
      if (admit(request, socket, head, token)) given?.place.serve(socket as Socket)
      return true
    },
    async close() {
      stop.abort()
      await Promise.all([...all.values()].map(({ place }) => place.end('closed')))
      clearInterval(renewing)
      clearInterval(checking)
      await deps.places.close()
    },
  }
}

function noteOf({ node, url }: HandsHostDeps, { request: { user, branch, home } }: HandsOffer, since: number): string {
  return JSON.stringify({ user, branch, home, node, url, since } satisfies HandsNote)
}

function begin(deps: HandsHostDeps, all: Map<string, Given>, offer: HandsOffer, release: () => Promise<void>): void {
  const { id, user, branch, home } = offer.request
  const { clock, places, say } = deps
  const place = deps.ends.openFarPlace({ places, user, name: id, clock })
  all.set(id, { offer, place, since: clock.monotonicMs() })
  say(`hands for ${user} of ${home}: ${branch}`)
  const end = async (): Promise<void> => {
    const why = await place.ended
    all.delete(id)
    await release()
    // A guest that is there asks again; the others have no use for it.
    if (why === 'done') offer.done()
    else offer.later(handsRoomMs)
    say(`hands for ${user} have ended (${why}): ${branch}`)
  }
  end().catch((error: unknown) => say(`hands for ${user}: ${errorMessage(error)}`))
}

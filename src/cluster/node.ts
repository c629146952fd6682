/** A node: takes the users that somebody wants to reach, holds their leases, and runs their guests (`keep-user.ts`). */
import { type Clock, createSlots, errorMessage, type InSlot } from '../base/index.ts'
import { type ClusterView, createClusterView } from './cluster-view.ts'
import { type Kept, keepUser, noteOf, type Stop, type UserDeps } from './keep-user.ts'
import { createLeases, type Leases } from './lease.ts'
import {
  arriveMs,
  dueLookMs,
  leaseMarginMs,
  leaseMs,
  leaveMs,
  noRoomMs,
  protocolVersion,
  renewMs,
  settleMs,
  sweepMs,
  wakeAgainMs,
} from './limits.ts'
import type { ClusterLink, Wake, WishKey } from './nats-link.ts'
import type { NodeView } from './notes.ts'
import { decideWake, newestProtocol, type PlacementNeeds, shareOf } from './placement.ts'

export interface NodeDeps extends UserDeps {
  readonly link: ClusterLink
  readonly clock: Clock
  /** Where people reach it. */
  readonly door: string
  readonly version: string
  readonly labels: readonly string[]
  readonly tier: NodeView['tier']
  readonly capacity: number
  /** What a user needs of a node. */
  readonly needsOf: (user: string) => PlacementNeeds
  readonly freeMb: () => number
  /** Of hands for guests on other nodes; absent: it has none. */
  readonly hands?: () => { readonly used: number; readonly capacity: number }
  /** Called once, when NATS has lost what it had stored: the node is of no use any more, and another one is to be started. */
  readonly onForgotten: () => void
}

export interface ClusterNode {
  readonly name: string
  readonly view: ClusterView
  /** @returns where the user's guest answers on this machine; null: it is not here, or not ready */
  guestUrl(user: string): string | null
  /** Asks for a node that runs the user's guest. */
  wake(user: string): Promise<void>
  /** Stops all guests, so that other nodes have them, and leaves. */
  close(): Promise<void>
  /** Ends all guests at once, and tells nobody. @returns whose they were */
  abandon(): Promise<readonly string[]>
}

interface State {
  readonly deps: NodeDeps
  readonly view: ClusterView
  readonly leases: Leases
  readonly kept: Map<string, Kept>
  /** When this node has last asked for a user, by the monotonic clock. */
  readonly wokenAt: Map<string, number>
  /** Users whose node is gone, and since when this node has known, by the monotonic clock. */
  goneSince: ReadonlyMap<string, number>
  isDraining: boolean
}

/** Where it fails, guests that it has started end; the connection stays its giver's. @throws what the connection throws */
export async function startNode(deps: NodeDeps): Promise<ClusterNode> {
  const { link, clock, name } = deps
  const view = createClusterView(clock, leaseMs)
  const kept = new Map<string, Kept>()
  const onLost = (user: string, why: string): void => {
    deps.say(`${user}: the lease ${why === 'expired' ? 'could not be renewed' : 'is another node’s'}; the guest ends`)
    kept.get(user)?.stop({ why: 'lost' })
  }
  const leases = createLeases({ port: link.leases, clock, leaseMs, marginMs: leaseMarginMs, onLost })
  const state: State = { deps, view, leases, kept, wokenAt: new Map(), goneSince: new Map(), isDraining: false }
  let taking = new AbortController()
  const take = async (): Promise<void> => {
    taking = new AbortController()
    await link.takeWakes(name, taking.signal, (wake) => takeWake(state, wake))
  }
  const sayProblem = (error: unknown): void => deps.say(errorMessage(error))
  link.onState((text) => deps.say(text))
  const watcher: Parameters<ClusterLink['watch']>[0] = {
    lease: view.takeLease,
    node: view.takeNode,
    place: view.takePlace,
    wish(of, wish) {
      if ('node' in of && of.node === name && (wish?.drain === true) !== state.isDraining) {
        state.isDraining = !state.isDraining
        deps.say(state.isDraining ? 'draining: every guest moves to another node' : 'takes users again')
        taking.abort()
        const said = present(state)
        if (state.isDraining) void said.then(() => leaveAll(state))
        else take().catch(sayProblem)
      } else if ('user' in of && wish !== null && wish.moveTo !== '') move(state, of, wish.moveTo).catch(sayProblem)
    },
  }
  try {
    await link.watch(watcher)
    // A node that is to drain from before its start never takes one.
    await present(state)
    if (!state.isDraining) await take()
  } catch (error) {
    taking.abort()
    await endGuests(state)
    throw error
  }
  const stopTimers = startTimers(state)
  const end = async (): Promise<void> => {
    stopTimers()
    await link.close()
  }
  return {
    name,
    view,
    guestUrl: (user) => (leases.holds(user) ? (kept.get(user)?.guest?.url ?? null) : null),
    wake: (user) => wakeUser(state, user),
    async close() {
      taking.abort()
      state.isDraining = true
      await present(state)
      await leaveAll(state)
      await link.removeNode(name).catch(() => {})
      await end()
    },
    async abandon() {
      taking.abort()
      const users = [...kept.keys()]
      await endGuests(state)
      await end()
      return users
    },
  }
}

/** @returns what stops them */
function startTimers(state: State): () => void {
  const { deps, leases } = state
  const timers = [
    setInterval(() => void Promise.all([leases.renew(), present(state), lookAtTerm(deps)]), renewMs),
    setInterval(() => sweep(state), sweepMs),
    setInterval(() => void wakeDue(state), dueLookMs),
  ]
  return () => timers.forEach(clearInterval)
}

async function endGuests({ kept }: State): Promise<void> {
  for (const each of kept.values()) each.stop({ why: 'lost' })
  await Promise.all([...kept.values()].map((each) => each.over))
}

/** Never rejects: what was not said now is said with the next renewal. */
async function present({ deps, kept, isDraining }: State): Promise<void> {
  const { link, name, url, door, version, labels, tier, capacity, freeMb, hands } = deps
  const { used = 0, capacity: places = 0 } = hands?.() ?? {}
  const node: NodeView = {
    name,
    url,
    door,
    version,
    protocol: protocolVersion,
    state: isDraining ? 'draining' : 'up',
    guests: kept.size,
    capacity,
    freeMb: Math.round(freeMb()),
    labels,
    tier,
    hands: used,
    hands_capacity: places,
  }
  await link.writeNode(node).catch(() => {})
}

/** Where it cannot be asked, leases end by themselves. */
async function lookAtTerm({ link, onForgotten }: NodeDeps): Promise<void> {
  if (!(await link.isCurrent().catch(() => true))) onForgotten()
}

/** Users whose node is gone are offered to all. Every node looks, and asks for its share of them: each offer replaces the one before. */
function sweep(state: State): void {
  const { deps, view, leases } = state
  leases.check()
  const now = deps.clock.monotonicMs()
  state.goneSince = new Map(view.orphans().map((user) => [user, state.goneSince.get(user) ?? now]))
  const isOwn = shareOf(deps.name, view.nodes(), wakeAgainMs)
  for (const [user, at] of state.wokenAt) if (now - at >= wakeAgainMs) state.wokenAt.delete(user)
  for (const [user, since] of state.goneSince) {
    if (leases.holds(user) || !isOwn(user, now - since)) continue
    if (now - (state.wokenAt.get(user) ?? -Infinity) < wakeAgainMs) continue
    void wakeUser(state, user).catch(() => {})
  }
}

/** Users who sleep and have something to do now. What cannot be asked is asked again. */
async function wakeDue(state: State): Promise<void> {
  if (state.isDraining) return
  const due = await state.deps.alarms.due().catch(() => [])
  for (const user of due) if (state.view.lease(user) === null) await wakeUser(state, user).catch(() => {})
}

/**
 * Gives all guests away, to each other node one after the other: so each of them finds a process that is ready ahead, and is away for a moment
 * only. First those whose turns have nothing under way. Where nobody can take them they end at once.
 */
async function leaveAll(state: State): Promise<void> {
  const { deps, kept, view } = state
  const until = deps.clock.monotonicMs() + leaveMs
  const left = (mostMs: number): number => Math.max(0, Math.min(mostMs, until - deps.clock.monotonicMs()))
  const others = (): number => view.nodes().filter(({ name, state: is }) => name !== deps.name && is === 'up').length
  const always = new AbortController().signal
  const leave = async (user: string, each: Kept, inSlot: InSlot): Promise<void> => {
    await each.guest?.settle(left(settleMs))
    await inSlot(always, async () => {
      each.stop({ why: 'leave' })
      await each.over
      const late = AbortSignal.timeout(left(arriveMs))
      while (others() > 0 && !late.aborted && view.lease(user)?.state !== 'ready') await view.changed(user, late)
    })
  }
  // One that was just being started may have come meanwhile.
  while (kept.size > 0 && state.isDraining) {
    const inSlot = createSlots(Math.max(1, others()))
    await Promise.all([...kept].map(([user, each]) => leave(user, each, inSlot)))
  }
}

async function wakeUser({ deps, wokenAt }: State, user: string): Promise<void> {
  wokenAt.set(user, deps.clock.monotonicMs())
  await deps.link.wake(user)
}

/** Acknowledges only what it holds the lease of, or has handed to the node that is to have it. */
async function takeWake(state: State, wake: Wake): Promise<void> {
  const { deps, view, leases, kept } = state
  const { user } = wake
  if (kept.has(user) || (view.lease(user) !== null && (await deps.link.lease(user)) !== null)) return wake.taken()
  // Read, not as the view has it: it may have been written a moment before the lease ended.
  const place = wake.isChosen ? null : await deps.link.place(user)
  const newest = newestProtocol(view.nodes())
  const isLeaving = state.isDraining || newest > protocolVersion
  const decision = decideWake({
    isChosen: wake.isChosen,
    own: { name: deps.name, guests: kept.size, capacity: deps.capacity, isLeaving },
    nodes: view.nodes(),
    wish: {
      user,
      protocol: newest,
      warm: place?.movesTo || (place?.node ?? ''),
      // The node that had the user, and has no lease any more, is gone or about to be.
      avoid: place?.isWanted === true ? [place.node] : [],
      ...deps.needsOf(user),
    },
  })
  if (decision === 'later') return wake.later(noRoomMs)
  if (decision !== 'take') {
    await (decision === 'any' ? deps.link.wake(user) : deps.link.wake(user, decision.to))
    return wake.taken()
  }
  const epoch = await leases.acquire(user, noteOf(deps, 0, 'starting'))
  // Of several that were taken at once, others may have filled this node meanwhile.
  if (epoch !== null && kept.size >= deps.capacity) {
    await leases.release(user)
    return wake.later(noRoomMs)
  }
  if (epoch !== null) {
    begin(state, user, epoch)
    await deps.link.writePlace(user, { node: deps.name, movesTo: '', isWanted: true, failure: '' })
  }
  await wake.taken()
}

function begin(state: State, user: string, epoch: number): void {
  const stopped = Promise.withResolvers<Stop>()
  const kept: Kept = { guest: null, epoch, stop: stopped.resolve, stopped: stopped.promise, over: Promise.resolve() }
  state.kept.set(user, kept)
  // At once: who chooses a node next is to count this guest.
  void present(state)
  kept.over = keepUser({ ...state, wake: (asked) => wakeUser(state, asked) }, user, kept, epoch)
    .catch((error: unknown) => state.deps.say(`${user}: ${errorMessage(error)}`))
    .then(() => {
      state.kept.delete(user)
      return present(state)
    })
}

async function move({ deps, kept, view }: State, of: WishKey & { readonly user: string }, to: string): Promise<void> {
  const own = kept.get(of.user)
  if (own !== undefined) await deps.link.writeWish(of, null).catch(() => {})
  if (own === undefined || to === deps.name) return
  if (view.node(to) === null) return deps.say(`${of.user}: cannot move to ${to}, which is not up`)
  deps.say(`${of.user}: moves to ${to}`)
  await own.guest?.settle(settleMs)
  own.stop({ why: 'move', to })
}

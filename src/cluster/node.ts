/**
 * A node: takes the users that somebody wants to reach, holds their leases, and runs their guests. What it does for one user is one loop,
 * `keepUser`: from the lease to its release. Whatever ends it (the lease is lost, the guest is to move, the node drains), the guest ends first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, errorMessage, type Failure, isOxbowError } from '../base/index.ts'
import type { GuestLease } from '../config/index.ts'
import type { ClusterAlarms } from '../store/index.ts'
import { type ClusterView, createClusterView } from './cluster-view.ts'
import { type Resting, untilSleep } from './idle-guest.ts'
import { createLeases, type Leases } from './lease.ts'
import {
  arriveMs,
  dueLookMs,
  leaseMarginMs,
  leaseMs,
  leaveMs,
  maxStartFailures,
  noRoomMs,
  protocolVersion,
  renewMs,
  sweepMs,
  wakeAgainMs,
} from './limits.ts'
import type { ClusterLink, Wake, WishKey } from './nats-link.ts'
import type { LeaseNote, NodeView } from './notes.ts'
import { decideWake, newestProtocol, type PlacementNeeds, shareOf } from './placement.ts'

/** A guest that this node has started. */
export interface NodeGuest {
  /** `ws://127.0.0.1:port/ws` */
  readonly url: string
  readonly pid: number
  readonly token: string
  /** Resolves when it has ended: null after `stop`, else why. */
  readonly gone: Promise<Failure | null>
  stop(): Promise<void>
}

export interface NodeDeps {
  readonly link: ClusterLink
  readonly clock: Clock
  readonly name: string
  /** Of its door for nodes. */
  readonly url: string
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
  /** @throws where the guest cannot be started */
  readonly startGuest: (user: string, lease: GuestLease) => Promise<NodeGuest>
  /** When users who sleep are due, in Postgres. */
  readonly alarms: Omit<ClusterAlarms, 'close'>
  /** @returns null where guests never sleep */
  readonly restOf: (guest: NodeGuest) => Resting | null
  /** @returns how many requests and terminals of a user are at this node's door */
  readonly underWay: (user: string) => number
  /** Called once, when NATS has lost what it had stored: the node is of no use any more, and another one is to be started. */
  readonly onForgotten: () => void
  /** What a person who looks at this node may want to know. */
  readonly say: (text: string) => void
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

/** Why a guest ends that was not lost. */
type Stop =
  | { readonly why: 'lost' | 'leave' }
  | { readonly why: 'move'; readonly to: string }
  | { readonly why: 'sleep'; readonly nextAt: number | null }

interface Kept {
  guest: NodeGuest | null
  /** Of the guest that was started last. */
  epoch: number
  readonly stop: (stop: Stop) => void
  readonly stopped: Promise<Stop>
  over: Promise<void>
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
  await link.watch({
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
  })
  // A node that is to drain from before its start never takes one.
  await present(state)
  if (!state.isDraining) await take()
  const timers = [
    setInterval(() => void Promise.all([leases.renew(), present(state), lookAtTerm(deps)]), renewMs),
    setInterval(() => sweep(state), sweepMs),
    setInterval(() => void wakeDue(state), dueLookMs),
  ]
  const end = async (): Promise<void> => {
    timers.forEach(clearInterval)
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
      for (const each of kept.values()) each.stop({ why: 'lost' })
      await Promise.all([...kept.values()].map((each) => each.over))
      await end()
      return users
    },
  }
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
 * only. Where nobody can take them they end at once.
 */
async function leaveAll(state: State): Promise<void> {
  const { deps, kept, view } = state
  const until = deps.clock.monotonicMs() + leaveMs
  const others = (): number => view.nodes().filter(({ name, state: is }) => name !== deps.name && is === 'up').length
  let waiting: [string, Kept][] = []
  const leave = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && state.isDraining; next = waiting.shift()) {
      const [user, each] = next
      each.stop({ why: 'leave' })
      await each.over
      const late = AbortSignal.timeout(Math.max(0, Math.min(arriveMs, until - deps.clock.monotonicMs())))
      while (others() > 0 && !late.aborted && view.lease(user)?.state !== 'ready') await view.changed(user, late)
    }
  }
  // One that was just being started may have come meanwhile.
  while (kept.size > 0 && state.isDraining) {
    waiting = [...kept]
    await Promise.all(Array.from({ length: Math.max(1, others()) }, leave))
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
  if (epoch !== null) {
    begin(state, user, epoch)
    await deps.link.writePlace(user, { node: deps.name, movesTo: '', isWanted: true, failure: '' })
  }
  await wake.taken()
}

function noteOf({ name: node, url }: NodeDeps, epoch: number, at: LeaseNote['state']): string {
  return JSON.stringify({ node, url, epoch, state: at } satisfies LeaseNote)
}

function begin(state: State, user: string, epoch: number): void {
  const stopped = Promise.withResolvers<Stop>()
  const kept: Kept = { guest: null, epoch, stop: stopped.resolve, stopped: stopped.promise, over: Promise.resolve() }
  state.kept.set(user, kept)
  // At once: who chooses a node next is to count this guest.
  void present(state)
  kept.over = keepUser(state, user, kept, epoch)
    .catch((error: unknown) => state.deps.say(`${user}: ${errorMessage(error)}`))
    .then(() => {
      state.kept.delete(user)
      return present(state)
    })
}

/** From the lease to its release. Each guest has an epoch of its own: one that was given up cannot write along with its successor. */
async function keepUser(state: State, user: string, kept: Kept, firstEpoch: number): Promise<void> {
  const { deps, leases } = state
  let failures = 0
  let stop: Stop | null = null
  for (let epoch: number | null = firstEpoch; epoch !== null && stop === null;) {
    const startedAt = deps.clock.monotonicMs()
    const failure = await runGuest(state, user, kept, epoch).catch((error: unknown) => ({ message: errorMessage(error), ...codeOf(error) }))
    if ('why' in failure) stop = failure
    else {
      failures = deps.clock.monotonicMs() - startedAt > healthyMs ? 1 : failures + 1
      deps.say(`${user}: ${failure.message}`)
      if (failures >= maxStartFailures) {
        await deps.link.writePlace(user, { node: deps.name, movesTo: '', isWanted: false, failure: failure.message }).catch(() => {})
        break
      }
      stop = await Promise.race([kept.stopped, sleep(restartMs * 2 ** failures).then(() => null)])
      // The old guest may live on somewhere in this machine: the next one has a newer epoch.
      if (stop === null) epoch = await leases.change(user, noteOf(deps, 0, 'starting')).catch(() => null)
    }
  }
  // Before the lease ends: whoever asks for the user at the same time finds out where the guest goes.
  if (stop?.why === 'move')
    await deps.link.writePlace(user, { node: deps.name, movesTo: stop.to, isWanted: true, failure: '' }).catch(() => {})
  if (stop?.why === 'sleep') await settleSleep(state, user, kept.epoch, stop.nextAt)
  await leases.release(user)
  if (stop?.why === 'move') await deps.link.wake(user, stop.to).catch(() => {})
  else if (stop?.why === 'leave') await wakeUser(state, user).catch(() => {})
}

/** Where it cannot be noted when the user is to be woken, the guest counts as lost, and is started again. */
async function settleSleep({ deps }: State, user: string, epoch: number, nextAt: number | null): Promise<void> {
  const { link, name: node, alarms, say } = deps
  try {
    await alarms.set(user, { term: link.term, epoch, node }, nextAt)
    await link.writePlace(user, { node, isWanted: false, failure: '', isAsleep: true, wakesAt: nextAt })
    say(`${user}: sleeps${nextAt === null ? '' : ` until ${new Date(nextAt).toISOString()}`}`)
  } catch (error) {
    say(`${user}: cannot sleep: ${errorMessage(error)}`)
  }
}

/** A guest that has served so long was well. */
const healthyMs = 30_000
const restartMs = 100

function codeOf(error: unknown): { readonly code: string } {
  return { code: isOxbowError(error) ? error.code : 'internal_failure' }
}

/** @returns why it was stopped, or what it failed with */
async function runGuest({ deps, leases }: State, user: string, kept: Kept, epoch: number): Promise<Stop | Pick<Failure, 'message'>> {
  const { link, name, startGuest, restOf, underWay } = deps
  const guest = await startGuest(user, { term: link.term, epoch, node: name })
  const over = new AbortController()
  const show = (): void => {
    if (over.signal.aborted) return
    Object.assign(kept, { guest, epoch })
    void leases.change(user, noteOf(deps, epoch, 'ready')).catch(() => {})
  }
  // Terminals wait at their doors meanwhile.
  const hide = async (): Promise<void> => {
    kept.guest = null
    await leases.change(user, noteOf(deps, epoch, 'stopping')).catch(() => null)
  }
  deps.say(`${user}: process ${guest.pid} with the lease ${epoch}`)
  show()
  try {
    const slept = untilSleep({ resting: restOf(guest), underWay: () => underWay(user), hide, unhide: show }, over.signal)
    const sleeping = slept.then(({ nextAt }): Stop => ({ why: 'sleep', nextAt }))
    const ended = await Promise.race([kept.stopped, guest.gone, sleeping])
    if (ended === null || !('why' in ended)) return ended ?? { message: 'the guest was stopped' }
    if (ended.why === 'leave' || ended.why === 'move') void hide()
    return ended
  } finally {
    over.abort()
    kept.guest = null
    await guest.stop()
  }
}

async function move({ deps, kept, view }: State, of: WishKey & { readonly user: string }, to: string): Promise<void> {
  const own = kept.get(of.user)
  if (own !== undefined) await deps.link.writeWish(of, null).catch(() => {})
  if (own === undefined || to === deps.name) return
  if (view.node(to) === null) return deps.say(`${of.user}: cannot move to ${to}, which is not up`)
  deps.say(`${of.user}: moves to ${to}`)
  own.stop({ why: 'move', to })
}

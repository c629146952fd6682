/**
 * What a node does for one user: one loop, from the lease to its release. Whatever ends it (the lease is lost, the guest is to move, the node
 * drains), the guest ends first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, errorMessage, type Failure } from '../base/index.ts'
import type { GuestLease } from '../config/index.ts'
import type { ClusterAlarms } from '../store/index.ts'
import { type Resting, untilSleep } from './idle-guest.ts'
import type { Leases } from './lease.ts'
import { maxStartFailures } from './limits.ts'
import type { ClusterLink } from './nats-link.ts'
import type { LeaseNote } from './notes.ts'

/** A guest that this node has started. */
export interface NodeGuest {
  /** `ws://127.0.0.1:port/ws` */
  readonly url: string
  readonly pid: number
  readonly token: string
  /** Resolves when it has ended: null after `stop`, else why. */
  readonly gone: Promise<Failure | null>
  /** See `RunningGuest.settle`. */
  settle(mostMs: number): Promise<void>
  stop(): Promise<void>
}

/** While a guest waits for its turn to start. */
export interface StartTurn {
  /** Ends the wait: the guest is not to start here any more. One that has begun to start goes on. */
  readonly signal: AbortSignal
  /** Called where others start first. @param before how many of them */
  readonly onWait: (before: number) => void
}

export interface UserDeps {
  readonly link: Pick<ClusterLink, 'term' | 'wake' | 'writePlace'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Of this node. */
  readonly name: string
  /** Of its door for nodes. */
  readonly url: string
  /** @throws where the guest cannot be started; the reason of the signal where that ends the wait */
  readonly startGuest: (user: string, lease: GuestLease, turn: StartTurn) => Promise<NodeGuest>
  /** When users who sleep are due, in Postgres. */
  readonly alarms: Omit<ClusterAlarms, 'close'>
  /** @returns null where guests never sleep */
  readonly restOf: (guest: NodeGuest) => Resting | null
  /** @returns how many requests and terminals of a user are at this node's door */
  readonly underWay: (user: string) => number
  /** What a person who looks at this node may want to know. */
  readonly say: (text: string) => void
}

/** Why a guest ends that was not lost. */
export type Stop =
  | { readonly why: 'lost' | 'leave' }
  | { readonly why: 'move'; readonly to: string }
  | { readonly why: 'sleep'; readonly nextAt: number | null }

export interface Kept {
  guest: NodeGuest | null
  /** Of the guest that was started last. */
  epoch: number
  readonly stop: (stop: Stop) => void
  readonly stopped: Promise<Stop>
  over: Promise<void>
}

interface Keeping {
  readonly deps: UserDeps
  readonly leases: Pick<Leases, 'change' | 'release'>
  /** Asks for a node that runs the user's guest. */
  readonly wake: (user: string) => Promise<void>
}

/** @returns what the key of a lease says */
export function noteOf({ name: node, url }: Pick<UserDeps, 'name' | 'url'>, epoch: number, at: LeaseNote['state'], before = 0): string {
  return JSON.stringify({ node, url, epoch, state: at, ...(before > 0 && { before }) } satisfies LeaseNote)
}

/** From the lease to its release. Each guest has an epoch of its own: one that was given up cannot write along with its successor. */
export async function keepUser(keeping: Keeping, user: string, kept: Kept, firstEpoch: number): Promise<void> {
  const { deps, leases, wake } = keeping
  let failures = 0
  let stop: Stop | null = null
  for (let epoch: number | null = firstEpoch; epoch !== null && stop === null;) {
    const ended: Stop | Failed = await runGuest(keeping, user, kept, epoch)
    if ('why' in ended) stop = ended
    else {
      failures = ended.servedMs > healthyMs ? 1 : failures + 1
      deps.say(`${user}: ${ended.message}`)
      if (failures >= maxStartFailures) {
        await deps.link.writePlace(user, { node: deps.name, movesTo: '', isWanted: false, failure: ended.message }).catch(() => {})
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
  if (stop?.why === 'sleep') await settleSleep(deps, user, kept.epoch, stop.nextAt)
  await leases.release(user)
  if (stop?.why === 'move') await deps.link.wake(user, stop.to).catch(() => {})
  else if (stop?.why === 'leave') await wake(user).catch(() => {})
}

/** A guest that has served so long was well. */
const healthyMs = 30_000
const restartMs = 100

/** Where it cannot be noted when the user is to be woken, the guest counts as lost, and is started again. */
async function settleSleep({ link, name: node, alarms, say }: UserDeps, user: string, epoch: number, nextAt: number | null): Promise<void> {
  try {
    await alarms.set(user, { term: link.term, epoch, node }, nextAt)
    await link.writePlace(user, { node, isWanted: false, failure: '', isAsleep: true, wakesAt: nextAt })
    say(`${user}: sleeps${nextAt === null ? '' : ` until ${new Date(nextAt).toISOString()}`}`)
  } catch (error) {
    say(`${user}: cannot sleep: ${errorMessage(error)}`)
  }
}

/** How a guest ended that nobody has stopped, and how long it had served: 0, it never did. */
interface Failed {
  readonly message: string
  readonly servedMs: number
}

/** @returns why it was stopped, or what it failed with. Never rejects. */
async function runGuest(keeping: Keeping, user: string, kept: Kept, epoch: number): Promise<Stop | Failed> {
  const { deps, leases } = keeping
  const waiting = new AbortController()
  void kept.stopped.then(() => waiting.abort())
  const onWait = (before: number): void => {
    deps.say(`${user}: waits; ${before} ${before === 1 ? 'guest starts' : 'guests start'} before it`)
    // For whoever asks where the guest is; the lease itself is renewed meanwhile, as any other.
    void leases.change(user, noteOf(deps, 0, 'starting', before)).catch(() => {})
  }
  let servedFrom: number | null = null
  try {
    const lease = { term: deps.link.term, epoch, node: deps.name }
    const guest = await deps.startGuest(user, lease, { signal: waiting.signal, onWait })
    servedFrom = deps.clock.monotonicMs()
    const ended = await untilEnd(keeping, user, kept, { guest, epoch })
    if ('why' in ended) return ended
    return { message: ended.message, servedMs: deps.clock.monotonicMs() - servedFrom }
  } catch (error) {
    // One that is stopped while it waits, or starts, has not failed.
    if (waiting.signal.aborted) return kept.stopped
    return { message: errorMessage(error), servedMs: servedFrom === null ? 0 : deps.clock.monotonicMs() - servedFrom }
  }
}

async function untilEnd(
  { deps, leases }: Keeping,
  user: string,
  kept: Kept,
  { guest, epoch }: { readonly guest: NodeGuest; readonly epoch: number },
): Promise<Stop | Pick<Failure, 'message'>> {
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
    const slept = untilSleep({ resting: deps.restOf(guest), underWay: () => deps.underWay(user), hide, unhide: show }, over.signal)
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

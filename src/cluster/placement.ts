/**
 * Where a user's guest goes, and who asks for it: pure, so that the same code places one user and a simulated million (`placement-simulation.full.test.ts`).
 *
 * What a node knows of the others is a moment old, and all know the same. If all chose the one that is least full, a rack that is lost would
 * fall upon it. So each user draws two nodes, by name, and has the one with more room: nearly as even, and no herd. Likewise each node asks
 * for its share of the users whose node is gone, and for the shares of others only later.
 */
import { tightMb } from './limits.ts'
import { type NodeView, tiers } from './notes.ts'

/** What a user needs of a node. */
export interface PlacementNeeds {
  /** All of these. */
  readonly labels: readonly string[]
  /** At least this. */
  readonly tier: NodeView['tier']
}

export interface PlacementWish extends PlacementNeeds {
  readonly user: string
  readonly protocol: number
  /** The node that has the workspace from before; empty: none. */
  readonly warm: string
  /** Nodes that are not to have it: one that has just lost it. */
  readonly avoid: readonly string[]
}

/** A node that is less full than this has room for whoever was there before. */
const roomyLevel = 0.5
/** One that is fuller than all by this factor gives up users when they wake, although their workspaces are warm there. */
const warmFactor = 1.08
/** One more is hardly more even. */
const drawn = 2

const levelOf = ({ guests, capacity }: NodeView): number => guests / capacity

/**
 * Among nodes that are up, speak the protocol, isolate as the user needs it, offer the labels and have room: the one where the workspace is warm,
 * unless it is much fuller than the others; else of two that the user draws, more likely such with more room, the one that is less full, or has more
 * free memory. One whose memory is nearly used up is the last choice.
 * @returns null where no node has room
 */
export function chooseNode(nodes: readonly NodeView[], wish: PlacementWish): string | null {
  const { user, warm, avoid } = wish
  const fit = nodes.filter((node) => fits(node, wish))
  // A node that is to be avoided is better than none.
  const wanted = avoid.length === 0 ? fit : fit.filter(({ name }) => !avoid.includes(name))
  const left = wanted.length > 0 ? wanted : fit
  const atHome = warm === '' ? undefined : left.find(({ name }) => name === warm)
  if (atHome !== undefined && !isTooFull(atHome, left)) return atHome.name
  const roomy = left.filter(({ freeMb }) => freeMb >= tightMb)
  const among = roomy.length > 0 ? roomy : left
  const room = among.reduce((sum, { guests, capacity }) => sum + capacity - guests, 0)
  const draws = Array.from({ length: drawn }, (_, at) => drawNode(among, (numberOf(`${at} ${user}`) / 2 ** 32) * room))
  const [best] = draws.toSorted((a, b) => levelOf(a) - levelOf(b) || b.freeMb - a.freeMb)
  return best?.name ?? null
}

function fits(node: NodeView, { protocol, labels, tier }: PlacementWish): boolean {
  const isUp = node.state === 'up' && node.protocol === protocol && node.guests < node.capacity
  return isUp && tiers.indexOf(node.tier) >= tiers.indexOf(tier) && labels.every((label) => node.labels.includes(label))
}

/**
 * Nodes of an older protocol take nobody while one of a newer is there: a guest never goes back to an older version, which may not read what
 * the newer has written.
 */
export function newestProtocol(nodes: readonly NodeView[]): number {
  return nodes.reduce((newest, { protocol, state }) => (state === 'up' ? Math.max(newest, protocol) : newest), 0)
}

function isTooFull(node: NodeView, among: readonly NodeView[]): boolean {
  if (levelOf(node) < roomyLevel) return false
  const [guests, capacity] = among.reduce(([all, room], each) => [all + each.guests, room + each.capacity], [0, 0])
  return levelOf(node) > (guests / capacity) * warmFactor
}

/** @param place from 0 to all the room that there is */
function drawNode(nodes: readonly NodeView[], place: number): NodeView {
  let left = place
  for (const node of nodes) {
    left -= node.capacity - node.guests
    if (left < 0) return node
  }
  return nodes.at(-1)!
}

/** How many nodes ask for the same user at once: the first may be gone, too. */
const askersOfEach = 2

/**
 * @param turnMs after which the next nodes ask, too
 * @returns whether the node of this name is to ask for a user whose node is gone since a time
 */
export function shareOf(name: string, nodes: readonly NodeView[], turnMs: number): (user: string, goneMs: number) => boolean {
  const up = nodes
    .filter(({ state }) => state === 'up')
    .map((node) => node.name)
    .toSorted()
  const own = up.indexOf(name)
  // One that the others do not see yet, or that drains, has no share.
  if (own === -1) return (_, goneMs) => goneMs >= turnMs * lastTurn
  return (user, goneMs) => {
    const place = (own - (numberOf(user) % up.length) + up.length) % up.length
    return place < askersOfEach * (1 + Math.floor(goneMs / turnMs))
  }
}

const lastTurn = 10

/** What a node does with a wake: starts the guest, hands it to a node or to any, or has it offered again later. */
export type WakeDecision = 'take' | 'any' | 'later' | { readonly to: string }

interface WakeCase {
  /** This node was chosen already. */
  readonly isChosen: boolean
  readonly own: { readonly name: string; readonly guests: number; readonly capacity: number; readonly isLeaving: boolean }
  readonly nodes: readonly NodeView[]
  readonly wish: PlacementWish
}

export function decideWake({ isChosen, own, nodes, wish }: WakeCase): WakeDecision {
  if (isChosen) return own.isLeaving || own.guests >= own.capacity ? 'any' : 'take'
  const chosen = chooseNode(nodes, wish)
  if (chosen === null) return 'later'
  return chosen === own.name ? 'take' : { to: chosen }
}

/** FNV-1a with the last step of MurmurHash3, so that names that differ in one letter are far from each other. @returns a whole number below 2³² */
function numberOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

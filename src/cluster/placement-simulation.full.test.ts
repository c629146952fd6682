/**
 * A thousand nodes and a million users in one process: the decisions are those that nodes make, their clock and what carries their messages are
 * not. What a node knows of the others is as old as a message takes, so that many decide by the same numbers at once.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { seededNumbers } from '../base/random-fixture.ts'
import { protocolVersion, wakeAgainMs } from './limits.ts'
import type { NodeView } from './notes.ts'
import { decideWake, shareOf } from './placement.ts'

const seed = Number(process.env['OXBOW_SEED'] ?? 20_261_127)
const nodeCount = 1_000
const userCount = 1_000_000
const capacity = 1_250
const nodesPerRack = 50
/** For as long as a message takes, everybody decides by what they knew before. */
const tickMs = 20
const wakesPerTick = 400

interface World {
  readonly random: () => number
  /** As they are; the view that all have is refreshed with each tick. */
  readonly guests: Int32Array
  readonly isUp: Uint8Array
  /** Where a user runs; -1: nowhere. Where one ran last. */
  readonly runs: Int32Array
  readonly home: Int32Array
  view: readonly NodeView[]
  handed: number
  /** Of users whose node was up, and had to be left. */
  unforced: number
  forced: number
}

const nameOf = (node: number): string => `n${String(node).padStart(4, '0')}`
const userOf = (user: number): string => `user-${user}`
const numberOfNode = new Map(Array.from({ length: nodeCount }, (_, node) => [nameOf(node), node]))

function makeWorld(): World {
  const world: World = {
    random: seededNumbers(seed),
    guests: new Int32Array(nodeCount),
    isUp: new Uint8Array(nodeCount).fill(1),
    runs: new Int32Array(userCount).fill(-1),
    home: new Int32Array(userCount).fill(-1),
    view: [],
    handed: 0,
    unforced: 0,
    forced: 0,
  }
  refresh(world)
  return world
}

/** Every node has presented itself. */
function refresh(world: World): void {
  const view: NodeView[] = []
  for (let node = 0; node < nodeCount; node += 1) {
    if (world.isUp[node] === 0) continue
    const guests = world.guests[node]!
    view.push({
      name: nameOf(node),
      url: '',
      door: '',
      version: '1',
      protocol: protocolVersion,
      state: 'up',
      guests,
      capacity,
      freeMb: 256_000 - guests * 150,
      labels: [],
      tier: 'process',
    })
  }
  world.view = view
}

/** A wake from the queue of all, to its end: taken by any node, and handed on as often as the nodes decide. */
function wake(world: World, user: number): void {
  const home = world.home[user]!
  const isLost = world.runs[user] !== -1
  let at = numberOfNode.get(world.view[Math.floor(world.random() * world.view.length)]!.name)!
  for (let hops = 0, isChosen = false; hops < 20; hops += 1) {
    const decision = decideWake({
      isChosen,
      own: { name: nameOf(at), guests: world.guests[at]!, capacity, isLeaving: false },
      nodes: world.view,
      wish: {
        user: userOf(user),
        protocol: protocolVersion,
        warm: home === -1 ? '' : nameOf(home),
        avoid: isLost ? [nameOf(home)] : [],
        labels: [],
        tier: 'process',
      },
    })
    if (decision === 'take') {
      if (home !== -1 && home !== at) world[world.isUp[home] === 1 ? 'unforced' : 'forced'] += 1
      world.guests[at]! += 1
      world.runs[user] = at
      world.home[user] = at
      return
    }
    world.handed += 1
    assert.notEqual(decision, 'later', 'there is room')
    isChosen = typeof decision === 'object'
    at = typeof decision === 'object' ? numberOfNode.get(decision.to)! : at
  }
  assert.fail(`${userOf(user)} is handed on for ever`)
}

function sleep(world: World, user: number): void {
  const node = world.runs[user]!
  if (node === -1) return
  world.guests[node]! -= 1
  world.runs[user] = -1
}

function wakeAll(world: World, users: Iterable<number>): number {
  let ticks = 1
  let inTick = 0
  for (const user of users) {
    wake(world, user)
    if (++inTick < wakesPerTick) continue
    inTick = 0
    ticks += 1
    refresh(world)
  }
  refresh(world)
  return ticks * tickMs
}

/** How much fuller the fullest node is than all are on average. */
function imbalance({ view }: World): number {
  const mean = view.reduce((sum, { guests }) => sum + guests, 0) / view.length
  return Math.max(...view.map(({ guests }) => guests)) / mean - 1
}

/** Users go to sleep and come back, others each time. */
function churn(world: World, share: number): void {
  const asleep: number[] = []
  for (let user = 0; user < userCount; user += 1) {
    if (world.random() >= share) continue
    sleep(world, user)
    asleep.push(user)
  }
  refresh(world)
  // They come back in another order than they left.
  for (let left = asleep.length - 1; left > 0; left -= 1) {
    const other = Math.floor(world.random() * (left + 1))
    ;[asleep[left], asleep[other]] = [asleep[other]!, asleep[left]!]
  }
  wakeAll(world, asleep)
}

/** All that the nodes which are left publish until each user of those that are gone has been asked for. */
function takeOver(world: World, orphans: readonly number[]): { readonly published: number; readonly sweeps: number } {
  let published = 0
  let sweeps = 0
  for (let left = new Set(orphans); left.size > 0; sweeps += 1) {
    const asked = new Set<number>()
    for (const { name } of world.view) {
      const isOwn = shareOf(name, world.view, wakeAgainMs)
      for (const user of left) {
        if (!isOwn(userOf(user), sweeps * wakeAgainMs)) continue
        published += 1
        asked.add(user)
      }
    }
    wakeAll(world, asked)
    left = new Set([...left].filter((user) => !asked.has(user)))
  }
  return { published, sweeps }
}

test('a thousand nodes hold a million users evenly, through churn and the loss of a rack', (t: TestContext) => {
  t.diagnostic(`OXBOW_SEED=${seed}`)
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
  const world = makeWorld()
  const filledMs = wakeAll(world, Array.from({ length: userCount }, (_, user) => user).values())
  t.diagnostic(`filled in ${filledMs / 1_000} s of its time; the fullest node is ${percent(imbalance(world))} over the mean`)
  assert.ok(imbalance(world) < 0.1, percent(imbalance(world)))

  churn(world, 0.2)
  t.diagnostic(`a fifth has slept: ${percent(imbalance(world))}, ${world.unforced} left a node that was up`)
  assert.ok(imbalance(world) < 0.1, percent(imbalance(world)))

  // A rack is lost: with it the keys of its nodes, and of its users.
  const rack = new Set(Array.from({ length: nodesPerRack }, (_, node) => node + 200))
  for (const node of rack) world.isUp[node] = 0
  const orphans = Array.from({ length: userCount }, (_, user) => user).filter((user) => rack.has(world.runs[user]!))
  for (const node of rack) world.guests[node] = 0
  const before = world.guests.slice()
  refresh(world)
  world.handed = 0
  const { published, sweeps } = takeOver(world, orphans)
  const starts = [...world.guests].map((guests, node) => guests - before[node]!)
  const mean = orphans.length / (nodeCount - nodesPerRack)
  t.diagnostic(
    `a rack with ${orphans.length} users is lost: ${published} wakes are published in ${sweeps} sweeps and ${world.handed} handed on; ` +
      `a node starts ${mean.toFixed(0)} guests on average, ${Math.max(...starts)} at most; ${percent(imbalance(world))}`,
  )
  assert.equal(sweeps, 1)
  assert.ok(published <= 2 * orphans.length, 'each user is asked for by few')
  assert.ok(Math.max(...starts) < 2 * mean, 'no node takes what a rack has left')
  assert.ok(imbalance(world) < 0.1, percent(imbalance(world)))
  assert.equal(world.forced, orphans.length)

  // The rack comes back, empty, and users come and go.
  for (const node of rack) world.isUp[node] = 1
  refresh(world)
  for (let round = 1; round <= 3; round += 1) churn(world, 0.1)
  t.diagnostic(
    `the rack is back: ${percent(imbalance(world))}; ${world.forced} had to move, and ${world.unforced} more did: ${percent(world.unforced / world.forced)}`,
  )
  assert.ok(imbalance(world) < 0.1, percent(imbalance(world)))
  assert.ok(world.unforced <= 0.05 * world.forced, `${world.unforced} moves that nothing forced`)
})

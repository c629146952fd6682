import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type NodeView, tiers } from './notes.ts'
import { chooseNode, type PlacementWish, shareOf } from './placement.ts'

const node = (name: string, changes: Partial<NodeView> = {}): NodeView => ({
  name,
  url: `http://${name}`,
  door: '',
  version: '1',
  protocol: 1,
  state: 'up',
  guests: 0,
  capacity: 10,
  freeMb: 1_000,
  labels: [],
  tier: 'process',
  ...changes,
})
const wish = (changes: Partial<PlacementWish> = {}): PlacementWish => ({
  user: 'ann',
  protocol: 1,
  warm: '',
  avoid: [],
  labels: [],
  tier: 'process',
  ...changes,
})

test('a user goes where the workspace is warm, unless all others are much emptier, else to a node with more room', () => {
  const nodes = [node('c', { guests: 2 }), node('b', { guests: 1, freeMb: 500 }), node('a', { guests: 1, freeMb: 900 })]
  assert.equal(chooseNode(nodes, wish({ warm: 'c' })), 'c')
  assert.notEqual(chooseNode(nodes, wish({ warm: 'gone' })), null)
  assert.equal(chooseNode([node('full', { guests: 9 }), node('empty')], wish({ warm: 'full' })), 'empty')
  assert.equal(chooseNode([node('full', { guests: 9 }), node('other', { guests: 9 })], wish({ warm: 'full' })), 'full')
  // Of the two that a user draws, the one with more memory where they are equally full.
  const drawn = Array.from({ length: 300 }, (_, user) => chooseNode(nodes.slice(1), wish({ user: `user ${user}` })))
  assert.ok(drawn.filter((name) => name === 'a').length > 200)
})

test('users whose node is gone are each asked for by two nodes, then by more, and in the end by all', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'].map((name) => node(name))
  const askers = (user: string, goneMs: number): readonly string[] =>
    nodes.filter(({ name }) => shareOf(name, nodes, 3_000)(user, goneMs)).map(({ name }) => name)
  for (const user of ['ann', 'bob', 'cyd']) {
    assert.equal(askers(user, 0).length, 2)
    assert.equal(askers(user, 3_000).length, 4)
    assert.equal(askers(user, 6_000).length, 5)
  }
  assert.equal(shareOf('new', nodes, 3_000)('ann', 0), false)
  assert.equal(shareOf('new', nodes, 3_000)('ann', 30_000), true)
})

test('nodes that drain, are full, speak another protocol or lack a label are not chosen, and one to avoid only if it is the last', () => {
  const nodes = [
    node('draining', { state: 'draining' }),
    node('full', { guests: 10 }),
    node('old', { protocol: 0 }),
    node('plain', { guests: 1 }),
    node('gpu', { guests: 5, labels: ['gpu'] }),
  ]
  assert.equal(chooseNode(nodes, wish({ warm: 'draining' })), 'plain')
  assert.equal(chooseNode(nodes, wish({ labels: ['gpu'] })), 'gpu')
  assert.equal(chooseNode(nodes, wish({ labels: ['browser'] })), null)
  assert.equal(chooseNode(nodes, wish({ warm: 'plain', avoid: ['plain'] })), 'gpu')
  assert.equal(chooseNode([node('only')], wish({ avoid: ['only'] })), 'only')
  assert.equal(chooseNode([], wish()), null)
})

test('users who come one after another are spread evenly, by capacity', () => {
  const nodes = new Map(
    [node('a', { capacity: 1_000 }), node('b', { capacity: 1_000 }), node('c', { capacity: 2_000 })].map((each) => [each.name, each]),
  )
  for (let user = 0; user < 2_000; user += 1) {
    const name = chooseNode([...nodes.values()], wish({ user: `user ${user}` }))!
    nodes.set(name, { ...nodes.get(name)!, guests: nodes.get(name)!.guests + 1 })
  }
  const levels = [...nodes.values()].map(({ guests, capacity }) => guests / capacity)
  assert.ok(
    levels.every((level) => Math.abs(level - 0.5) < 0.02),
    levels.join(' '),
  )
})

test('a user who needs a tier goes where commands run in it or in a stricter one, and memory that is nearly used up is the last choice', () => {
  const nodes = [node('plain'), node('vm', { tier: 'micro_vm', guests: 9 }), node('box', { tier: 'container', freeMb: 100 })]
  assert.equal(chooseNode(nodes, wish({ tier: 'container' })), 'vm')
  assert.equal(chooseNode(nodes, wish({ tier: 'container', warm: 'plain' })), 'vm')
  assert.equal(chooseNode(nodes.slice(2), wish({ tier: 'container' })), 'box')
  assert.equal(chooseNode(nodes, wish({ tier: 'micro_vm', labels: ['gpu'] })), null)
})

const labels = ['gpu', 'browser']
const anyNode = fc.record({
  state: fc.constantFrom('up' as const, 'draining' as const),
  protocol: fc.constantFrom(1, 1, 1, 2),
  guests: fc.nat(12),
  capacity: fc.integer({ min: 1, max: 12 }),
  freeMb: fc.nat(2_000),
  labels: fc.subarray(labels),
  tier: fc.constantFrom(...tiers),
})
const anyNodes = fc.array(anyNode, { maxLength: 8 }).map((all) => all.map((changes, n) => node(`n${n}`, changes)))
const anyWish = fc.record({
  user: fc.string(),
  protocol: fc.constant(1),
  warm: fc.constantFrom('', 'n0', 'n3', 'gone'),
  avoid: fc.subarray(['n0', 'n1', 'n3']),
  labels: fc.subarray(labels),
  tier: fc.constantFrom(...tiers),
})
const isFit = (each: NodeView, { labels: needed, tier }: PlacementWish): boolean =>
  each.state === 'up' &&
  each.protocol === 1 &&
  each.guests < each.capacity &&
  needed.every((label) => each.labels.includes(label)) &&
  tiers.indexOf(each.tier) >= tiers.indexOf(tier)

test('whatever the nodes are, only one that fits is chosen, and one is whenever any fits', () => {
  fc.assert(
    fc.property(anyNodes, anyWish, (nodes, wanted) => {
      const chosen = chooseNode(nodes, wanted)
      const fit = nodes.filter((each) => isFit(each, wanted))
      assert.equal(chosen === null, fit.length === 0)
      if (chosen === null) return
      assert.ok(fit.some(({ name }) => name === chosen))
      const others = fit.filter(({ name }) => !wanted.avoid.includes(name))
      if (others.length > 0) assert.ok(others.some(({ name }) => name === chosen))
      const warm = others.find(({ name }) => name === wanted.warm)
      if (warm !== undefined && warm.guests / warm.capacity < 0.5) assert.equal(chosen, wanted.warm)
    }),
    { numRuns: 2_000 },
  )
})

test('a node that comes or goes moves nobody but the users whom it had, or whose node is more than half full', () => {
  fc.assert(
    fc.property(anyNodes, anyWish, fc.nat(7), (nodes, wanted, which) => {
      const before = chooseNode(nodes, wanted)
      const left = nodes.filter(({ name }) => name !== `n${which}`)
      const own = left.find(({ name }) => name === before)
      if (own !== undefined && own.guests / own.capacity < 0.5)
        assert.equal(chooseNode(left, { ...wanted, avoid: [], warm: own.name }), own.name)
    }),
    { numRuns: 2_000 },
  )
})

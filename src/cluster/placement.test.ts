import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeView } from './notes.ts'
import { chooseNode, type PlacementWish } from './placement.ts'

const node = (name: string, changes: Partial<NodeView> = {}): NodeView => ({
  name,
  url: `http://${name}`,
  version: '1',
  protocol: 1,
  state: 'up',
  guests: 0,
  capacity: 10,
  freeMb: 1_000,
  labels: [],
  ...changes,
})
const wish = (changes: Partial<PlacementWish> = {}): PlacementWish => ({ protocol: 1, warm: '', avoid: [], labels: [], ...changes })

test('a user goes where the workspace is warm, else where there is most room, then most memory; all nodes choose alike', () => {
  const nodes = [node('c', { guests: 2 }), node('b', { guests: 1, freeMb: 500 }), node('a', { guests: 1, freeMb: 900 })]
  assert.equal(chooseNode(nodes, wish()), 'a')
  assert.equal(chooseNode(nodes.toReversed(), wish()), 'a')
  assert.equal(chooseNode(nodes, wish({ warm: 'c' })), 'c')
  assert.equal(chooseNode(nodes, wish({ warm: 'gone' })), 'a')
  assert.equal(chooseNode([node('y'), node('x')], wish()), 'x')
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
    const name = chooseNode([...nodes.values()], wish())!
    nodes.set(name, { ...nodes.get(name)!, guests: nodes.get(name)!.guests + 1 })
  }
  assert.deepEqual(
    [...nodes.values()].map(({ guests }) => guests),
    [500, 500, 1_000],
  )
})

/** Agents at home whose commands run on another node: real nodes as processes, a real NATS, real sandboxes. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  delegated,
  type Ended,
  type FarNode,
  handsSkip,
  openGuest,
  openPassage,
  outputOf,
  processesWith,
  runs,
  startHandsCluster,
} from './hands-fixture.ts'
import { freePort } from '../../../src/cluster/nats-fixture.ts'
import { until } from '../cluster-fixture.ts'

const skip = handsSkip()
test('a fan-out builds on another node, and its branches merge at home', { skip }, async () => {
  await using cluster = await startHandsCluster()
  writeFileSync(join(cluster.bench.root, 'shared', 'source.txt'), 'source\n')
  const far = await cluster.startNode('far', { capacity: 4 })
  await using guest = await openGuest(cluster, {
    'part one': [runs('cat source.txt > one.txt; mkdir -p out'), runs('echo built >> out/one.txt')],
    'part two': [runs('cat source.txt source.txt > two.txt; rm source.txt; ls')],
  })
  const task = (id: string) => ({ id, agent: 'builder', goal: `Build part ${id}.` })
  const { tasks } = await outputOf<{ tasks: readonly Ended[] }>(guest, 'agent.fan_out', { tasks: [task('one'), task('two')] })
  assert.deepEqual(
    tasks.map(({ status, code }) => [status, code]),
    [
      ['success', ''],
      ['success', ''],
    ],
    JSON.stringify(tasks),
  )
  assert.equal([...far.said().matchAll(/hands for ada of home/g)].length, 2)
  // They end with their agent.
  await until(() => [...far.said().matchAll(/have ended \(done\)/g)].length === 2)
  for (const { branch } of tasks) await outputOf(guest, 'branch.merge', { branch })
  const shared = (name: string): string => readFileSync(join(cluster.bench.root, 'shared', name), 'utf8')
  assert.deepEqual([shared('one.txt'), shared('out/one.txt'), shared('two.txt')], ['source\n', 'built\n', 'source\nsource\n'])
  assert.throws(() => shared('source.txt'), /ENOENT/)
  // Nothing of a branch that was merged stays there.
  await until(() => far.branchFiles('two.txt').length === 0)
})

async function whoHas(nodes: readonly FarNode[], file: string): Promise<FarNode> {
  const find = (): FarNode | undefined => nodes.find((node) => node.branchFiles(file).length > 0)
  await until(() => find() !== undefined)
  return find()!
}

test('a command on a node that is killed ends with an unknown outcome, and the agent goes on elsewhere', { skip }, async () => {
  await using cluster = await startHandsCluster()
  const nodes = [await cluster.startNode('far-1', { capacity: 1 }), await cluster.startNode('far-2', { capacity: 1 })]
  await using guest = await openGuest(cluster, {
    long: [runs('echo first > first.txt'), runs('echo half > half.txt; sleep 71.25'), runs('ls; cat first.txt > after.txt')],
  })
  const work = delegated(guest, 'builder', 'Do the long work.')
  const first = await whoHas(nodes, 'half.txt')
  await until(() => processesWith('sleep 71.25').length > 0)
  first.process.kill('SIGKILL')
  await until(() => processesWith('sleep 71.25').length === 0)
  const ended = await work
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.match(ended.text, /outcome_unknown[^]*The node far-\d was lost/)
  const { changes } = await outputOf<{ changes: readonly { path: string }[] }>(guest, 'branch.diff', { branch: ended.branch })
  // What a command had changed when its node was lost is in no version; what had ended is.
  assert.deepEqual(changes.map(({ path }) => path).toSorted(), ['/shared/after.txt', '/shared/first.txt'])
})

test('a call that is safe to repeat is made again on another node when its own is lost', { skip }, async () => {
  await using cluster = await startHandsCluster()
  const nodes = [await cluster.startNode('far-1', { capacity: 1 }), await cluster.startNode('far-2', { capacity: 1 })]
  const asked: string[] = []
  const onStep = (name: string): void => {
    asked.push(name)
    // It answers nothing any more: what is asked now is under way when it dies.
    if (name === 'file_write') for (const node of nodes) if (node.branchFiles('first.txt').length > 0) node.process.kill('SIGSTOP')
  }
  const steps: Parameters<typeof openGuest>[1] = {
    write: [runs('echo first > first.txt'), ['file_write', { path: 'written.txt', text: 'whole' }], runs('cat first.txt written.txt')],
  }
  await using guest = await openGuest(cluster, steps, { onStep })
  const work = delegated(guest, 'builder', 'Do write it.')
  const first = await whoHas(nodes, 'first.txt')
  await until(() => asked.length === 2)
  first.process.kill('SIGKILL')
  const ended = await work
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.match(ended.text, /first[^]*whole/)
  assert.doesNotMatch(ended.text, /outcome_unknown/)
})

test('a node that is cut off ends its hands by itself, and the agent goes on elsewhere', { skip }, async () => {
  await using cluster = await startHandsCluster()
  const doorPort = await freePort()
  const through = { nats: await openPassage(cluster.natsPort), door: await openPassage(doorPort), doorPort }
  await using passages = new AsyncDisposableStack()
  for (const passage of [through.nats, through.door]) passages.defer(passage.close)
  const first = await cluster.startNode('far-1', { capacity: 1, through })
  await using guest = await openGuest(cluster, { long: [runs('echo half > half.txt; sleep 72.25'), runs('echo done > done.txt')] })
  const work = delegated(guest, 'builder', 'Do the long work.')
  await whoHas([first], 'half.txt')
  await until(() => processesWith('sleep 72.25').length > 0)
  through.nats.isHeldUp = true
  through.door.isHeldUp = true
  const second = await cluster.startNode('far-2', { capacity: 1 })
  await until(() => processesWith('sleep 72.25').length === 0)
  const ended = await work
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.match(ended.text, /outcome_unknown/)
  assert.match(second.said(), /hands for ada of home/)
  assert.match(first.said(), /have ended \(cut\)/)
})

test('labels choose the node, and nobody has hands elsewhere whom the configuration does not name', { skip }, async () => {
  await using cluster = await startHandsCluster()
  const plain = await cluster.startNode('plain', { capacity: 2 })
  const gpu = await cluster.startNode('with-gpu', { capacity: 2, labels: ['gpu', 'big'] })
  await using guest = await openGuest(cluster, { train: [runs('echo trained > trained.txt')] }, { elsewhere: ['gpu'] })
  const refused = await delegated(guest, 'builder', 'Do train it.')
  assert.deepEqual([refused.status, refused.code], ['refused', 'denied'])
  const ended = await delegated(guest, 'gpu', 'Do train it.')
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.deepEqual(
    [plain, gpu].map((node) => node.said().includes('hands for ada of home')),
    [false, true],
  )
})

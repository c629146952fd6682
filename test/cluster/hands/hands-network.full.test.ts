/** Commands with network of agents whose hands are on another node: real nodes as processes, a real NATS, real sandboxes, and a real site. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId } from '../../../src/base/index.ts'
import type { Fixture } from '../../../src/kernel/kernel-fixture.ts'
import { delegated, type Ended, handsSkip, openGuest, openSite, outputOf, runs, startHandsCluster, type Step } from './hands-fixture.ts'
import { until } from '../cluster-fixture.ts'

const skip = handsSkip()

const online = (command: string, hosts: readonly string[] = []): Step => ['shell_online', { command, hosts }]

/** What the journal at home has of the visits of a child's commands. */
async function visitsOf({ store }: Fixture, { session }: Ended): Promise<readonly string[]> {
  const phases = ['outcome', 'exchange'] as const
  const records = await store.records({ session, phases, order: 'oldest_first', limit: 100, hydrate: true })
  return records.flatMap(({ name, body }) => {
    if (name !== 'shell.online') return []
    const { hosts = [] } = JSON.parse(body) as { hosts?: readonly { host: string; port: number; decision: string }[] }
    return hosts.map(({ host, port, decision }) => `${decision} ${host}:${port}`)
  })
}

const refusal = (text: string): string | undefined => /oxbow: [^"\\]*/.exec(text)?.[0]

test('a command on another node reaches what the guest lets it reach, and nothing else', { skip }, async () => {
  await using site = await openSite((_request, response) => void response.end('from the site\n'))
  await using other = await openSite((_request, response) => void response.end('not for agents\n'))
  await using cluster = await startHandsCluster([site.host])
  const far = await cluster.startNode('far', { capacity: 2 })
  const fetched = `curl -sS http://${site.host}/one | tee got.txt`
  const refused = `curl -sS http://${other.host}/two`
  await using guest = await openGuest(cluster, {
    fetch: [online(fetched), online(refused), online(`curl -sS http://${site.host}/three`, ['elsewhere.test'])],
  })
  const ended = await delegated(guest, 'builder', 'Do fetch it.')
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.match(far.said(), /hands for ada of home/)
  assert.match(ended.text, new RegExp(`reached ${site.host}[^]*from the site`))
  assert.match(ended.text, /it is not among the hosts that this command was called with/)
  assert.deepEqual([site.asked, other.asked], [['/one'], []])
  // The same words, and in the same journal.
  const atHome = await guest.kernel.call('shell.online', { command: refused }, guest.session)
  assert.equal(refusal(ended.text), refusal(atHome.text))
  assert.match(refusal(ended.text)!, /may not be reached/)
  assert.deepEqual(await visitsOf(guest, ended), [`reached ${site.host}`, `refused ${other.host}`, `refused ${site.host}`])
  // What it has fetched comes back with the branch.
  const { changes } = await outputOf<{ changes: readonly { path: string }[] }>(guest, 'branch.diff', { branch: ended.branch })
  assert.deepEqual(
    changes.map(({ path }) => path),
    ['/shared/got.txt'],
  )
})

test('a person at home is asked before a command on another node reaches anything', { skip }, async () => {
  await using site = await openSite((_request, response) => void response.end('from the site\n'))
  await using cluster = await startHandsCluster([site.host])
  await cluster.startNode('far', { capacity: 2 })
  const commands = [online(`curl -sS http://${site.host}/no`), online(`curl -sS http://${site.host}/yes`)]
  await using guest = await openGuest(cluster, { fetch: commands }, { ask: ['shell.online'] })
  const work = delegated(guest, 'builder', 'Do fetch it.')
  for (const answer of [false, true]) {
    let asked: readonly { readonly call: CallId }[] = []
    await until(async () => (asked = await outputOf<typeof asked>(guest, 'approval.list', {})).length > 0)
    assert.deepEqual(site.asked, [])
    await guest.kernel.approve(asked[0]!.call, answer)
    if (!answer) await until(async () => (await outputOf<typeof asked>(guest, 'approval.list', {}))[0]?.call !== asked[0]!.call)
  }
  const ended = await work
  assert.match(ended.text, /The user refused[^]*from the site/)
  assert.deepEqual(site.asked, ['/yes'])
})

test('a node that is killed in the middle of a download ends it, and what the command did is unknown', { skip }, async () => {
  const open = new Set<string>()
  await using site = await openSite((request, response) => {
    open.add(request.url!)
    response.once('close', () => open.delete(request.url!))
    // It never ends by itself.
    response.writeHead(200).write('a beginning\n')
  })
  await using cluster = await startHandsCluster([site.host])
  const far = await cluster.startNode('far', { capacity: 1 })
  await using guest = await openGuest(cluster, {
    load: [online(`curl -sSN http://${site.host}/large > large.txt`), runs('ls')],
  })
  const work = delegated(guest, 'builder', 'Do load it.')
  await until(() => open.size === 1 && far.branchFiles('large.txt').length > 0)
  await cluster.startNode('far-2', { capacity: 1 })
  await far.stop('SIGKILL')
  const ended = await work
  assert.equal(ended.status, 'success', JSON.stringify(ended))
  assert.match(ended.text, /outcome_unknown[^]*The node far was lost/)
  // Once: a command is not run again elsewhere, and nothing of it goes on.
  assert.deepEqual(site.asked, ['/large'])
  await until(() => open.size === 0)
  assert.deepEqual(await visitsOf(guest, ended), [`reached ${site.host}`])
})

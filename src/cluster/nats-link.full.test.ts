/** The adapter over a real server: leases keep their contract, and wakes are offered until somebody has them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isOxbowError } from '../base/index.ts'
import { natsSkip, startNats, useNats } from './nats-fixture.ts'
import { describeLeaseContract } from './lease-contract.ts'
import { leaseMs, maxHandsQueues, wakeAckMs } from './limits.ts'
import { initCluster, linkFault, openClusterLink, type Wake } from './nats-link.ts'
import type { NodeView } from './notes.ts'
import { issueCertificate } from './trust/certificates.ts'
import { issueForServer } from './trust/enrolment.ts'
import { foundCluster, makeNode, readAuthority } from './trust/node-identity.ts'

const skip = natsSkip()
const nats = useNats()

describeLeaseContract(
  'NATS',
  async () => {
    const server = await nats.server()
    await initCluster(server.config)
    const link = await openClusterLink(server.config)
    return {
      port: link.leases,
      expire: () => sleep(leaseMs + 500),
      async [Symbol.asyncDispose]() {
        await link.close()
        await server[Symbol.asyncDispose]()
      },
    }
  },
  skip,
)

test('without a server, and before init, a person learns what to do', { skip }, async () => {
  await using server = await nats.server()
  await assert.rejects(openClusterLink(server.config), { code: 'not_found', hint: /oxbow cluster init/ })
  await assert.rejects(openClusterLink({ ...server.config, nats: ['nats://127.0.0.1:1'] }), {
    code: 'guest_unreachable',
    message: /127\.0\.0\.1:1/,
  })
  await assert.rejects(openClusterLink({ ...server.config, nats: [] }), { code: 'bad_config' })
  await initCluster(server.config)
  // Again: for settings that have changed.
  await initCluster(server.config)
  await (await openClusterLink(server.config)).close()
})

test('a wake is one offer however often it is made, and comes again until it is taken', { skip }, async () => {
  await using server = await nats.server()
  await initCluster(server.config)
  const link = await openClusterLink(server.config)
  for (let i = 0; i < 5; i += 1) await link.wake('ann')
  const ending = new AbortController()
  const offers: Wake[] = []
  const second = Promise.withResolvers<void>()
  await link.takeWakes('a', ending.signal, async (wake) => {
    offers.push(wake)
    if (offers.length === 2) second.resolve()
  })
  // The first offer is left as by a node that dies.
  await second.promise
  assert.deepEqual(
    offers.map(({ user, isChosen }) => [user, isChosen]),
    [
      ['ann', false],
      ['ann', false],
    ],
  )
  await offers[1]!.taken()
  await sleep(wakeAckMs + 500)
  assert.equal(offers.length, 2)
  await link.wake('bob', 'a')
  while (offers.length < 3) await sleep(20)
  assert.deepEqual([offers[2]!.user, offers[2]!.isChosen], ['bob', true])
  ending.abort()
  await link.close()
})

test('a server that lists NKeys takes the node of this machine by its own, and nobody else', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-nkeys-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const identity = foundCluster(join(folder, 'one'), 'node-1', Date.now())
  const other = foundCluster(join(folder, 'other'), 'node-1', Date.now())
  const settings = join(folder, 'nats.conf')
  writeFileSync(settings, `authorization { users: [ { nkey: ${identity.nkey} } ] }\n`)
  await using server = await startNats({ settings })
  await initCluster(server.config, identity)
  await (await openClusterLink(server.config, identity)).close()
  await assert.rejects(openClusterLink(server.config, other), { code: 'guest_unreachable' })
  await assert.rejects(openClusterLink(server.config), { code: 'guest_unreachable' })
  // A file that a person names goes before it.
  const credentials = join(folder, 'seed')
  writeFileSync(credentials, `${identity.seed}\n`)
  await (await openClusterLink({ ...server.config, credentials })).close()
})

test('whoever asks for hands with ever new labels makes no queue for each of them', { skip }, async () => {
  await using server = await nats.server()
  await initCluster(server.config)
  const link = await openClusterLink(server.config)
  const [one, other] = [await link.hands(), await link.hands()]
  const request = { id: 'a'.repeat(32), user: 'ann', branch: 'b', home: 'node-1', token: 'b'.repeat(64) }
  for (let made = 0; made < maxHandsQueues; made += 1) await one.ask(request, [`label-${made}`])
  await assert.rejects(one.ask(request, ['one-more']), { code: 'limit_reached' })
  await assert.rejects(other.ask(request, ['label-1', 'label-2']), { code: 'limit_reached' })
  await other.ask(request, ['label-1'])
  await link.close()
})

test('a node whose certificate was renewed comes back to NATS when the one of its start has ended', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-natstls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const first = foundCluster(folder, 'node-1', Date.now())
  const authority = readAuthority(folder)!
  const own = issueForServer(folder, 'nats', ['localhost', '127.0.0.1'], Date.now())
  for (const [file, text] of Object.entries({ 'server.crt': own.cert, 'server.key': own.key })) writeFileSync(join(folder, file), text)
  const [cert, key, ca] = ['server.crt', 'server.key', 'ca.crt'].map((file) => JSON.stringify(join(folder, file)))
  const settings = join(folder, 'nats.conf')
  writeFileSync(settings, `tls { cert_file: ${cert}, key_file: ${key}, ca_file: ${ca}, verify: true }\n`)
  await using server = await startNats({ settings, scheme: 'tls' })
  await initCluster(server.config, first)
  // Of a node that has run for three months.
  const endsAt = Date.now() + 4_000
  const made = makeNode()
  const short = issueCertificate(authority, { name: 'node-1', publicKey: made.publicKey, days: 0 }, endsAt)
  let held = { ...first, cert: short, key: made.key }
  const link = await openClusterLink(server.config, () => held)
  const stale = await openClusterLink(server.config, held)
  t.after(() => Promise.all([link.close(), stale.close()]))
  await server.stop()
  held = first
  await sleep(Math.max(0, endsAt - Date.now()) + 1_000)
  await server.start()
  const free = { guests: 0, capacity: 1, freeMb: 1_000, labels: [], tier: 'process' } as const
  const node: NodeView = { name: 'node-1', url: 'https://a', door: '', version: '1', protocol: 1, state: 'up', ...free }
  // What is written while the connection is down may be lost: nodes write each 2.5 s.
  for (let tries = 1; ; tries += 1) {
    const isThere = await link.writeNode(node).then(
      () => true,
      () => false,
    )
    if (isThere) break
    assert.ok(tries < 4)
  }
  await assert.rejects(stale.writeNode(node))
})
test('a server that is lost under a request is no bug of Oxbow, but said with what to do', { skip }, async () => {
  const server = await nats.server()
  await initCluster(server.config)
  const link = await openClusterLink(server.config)
  await server[Symbol.asyncDispose]()
  const fault = linkFault(await link.all().catch((error: unknown) => error))
  assert.ok(isOxbowError(fault, 'guest_unreachable'), String(fault))
  assert.match(fault.hint, /try again in a few seconds/)
  assert.ok(linkFault(new TypeError('of ours')) instanceof TypeError)
  await link.close()
})

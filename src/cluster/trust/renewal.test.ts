/** The certificate of a node is renewed over the network, at the door for nodes of the one that made the cluster. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { configSchema } from '../../config/index.ts'
import { openDoors } from '../doors/doors.ts'
import { issueCertificate } from './certificates.ts'
import { foundCluster, makeNode, readAuthority, readIdentity, writeIdentity } from './node-identity.ts'
import { askNode } from './node-requests.ts'
import { isDue, keepRenewed } from './renewal.ts'
import { openRevocations } from './revocations.ts'

const sixtyFiveDaysMs = 65 * 86_400_000

test('a node in its last third gets the next certificate from the one that can give it, and is known with it', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-renewal-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const maker = foundCluster(join(root, 'a'), 'a', Date.now())
  const authority = readAuthority(join(root, 'a'))!
  for (const name of ['b', 'c']) {
    const made = makeNode()
    const cert = issueCertificate(authority, { name, publicKey: made.publicKey }, Date.now() - sixtyFiveDaysMs)
    writeIdentity(join(root, name), made, { cert, ca: authority.cert })
  }
  const [b, c] = [readIdentity(join(root, 'b'))!, readIdentity(join(root, 'c'))!]
  assert.ok(isDue(b.cert, Date.now()))
  await using open = new AsyncDisposableStack()
  const urls: Record<string, string> = {}
  for (const identity of [maker, c]) {
    const folder = join(root, identity.name)
    const { cluster: config } = configSchema.parse({})
    const storeUrl = 'postgres://nobody@127.0.0.1:1/none'
    const doors = await openDoors({ config, identity, folder, revocations: openRevocations(folder), storeUrl })
    open.defer(doors.close)
    urls[identity.name] = doors.peerUrl
  }
  const said: string[] = []
  const renew = (names: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const stop = keepRenewed({
        folder: join(root, 'b'),
        identity: b,
        node: () => ({ view: { nodes: () => names.map((name) => ({ name, url: urls[name]! })) } }),
        say: (text) => {
          said.push(text)
          if (text.includes('no node renews it')) resolve('')
        },
        use: (next) => resolve(next.cert),
        clock: systemClock,
      })
      open.defer(stop)
    })
  // A node without the authority's key cannot, and says so.
  assert.equal(await renew(['c']), '')
  assert.match(said[0]!, /start the one that made the cluster/)
  assert.equal(readIdentity(join(root, 'b'))?.cert, b.cert)
  const cert = await renew(['c', 'a'])
  const next = readIdentity(join(root, 'b'))!
  assert.deepEqual([next.cert, next.name, next.nkey, next.ca], [cert, 'b', b.nkey, b.ca])
  assert.ok(!isDue(next.cert, Date.now()))
  assert.notEqual(next.key, b.key)
  for (const name of ['a', 'c'])
    assert.equal(((await askNode({ url: urls[name]!, path: '/healthz', trust: next, node: name })) as { node: string }).node, name)
})

/** The door for nodes, with a real authority: what a person asks for through another door is never taken for a request of the node that leads here. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { loadDoorParts } from '../../gateway/index.ts'
import { issueCertificate, makeKeyPair } from '../trust/certificates.ts'
import { authorityPath, joinPath } from '../trust/enrolment.ts'
import { foundCluster, type NodeIdentity, readAuthority } from '../trust/node-identity.ts'
import { agentTo } from '../trust/node-requests.ts'
import { openRevocations, revokedFrom } from '../trust/revocations.ts'
import { createDoorAnswers } from './door-answers.ts'
import { createForwarding } from './forwarding.ts'
import { closeServer } from './listening.ts'
import { openPeerDoor, type PeerDoor } from './peer-door.ts'

const now = Date.now

interface TestDoor extends PeerDoor {
  readonly folder: string
  readonly identity: NodeIdentity
}

async function openDoor(t: TestContext): Promise<TestDoor> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-peer-door-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const identity = foundCluster(folder, 'node-1', now())
  const answers = createDoorAnswers(await loadDoorParts())
  // It forwards nothing yet: whatever comes for a user is asked to come again.
  const forwarding = createForwarding({ answers, node: () => null, agentTo: () => assert.fail('nothing is forwarded') })
  const door = await openPeerDoor({
    config: { host: '127.0.0.1', port: 0, url: '' },
    identity,
    folder,
    revocations: openRevocations(folder),
    answers,
    forwarding,
    isReady: () => true,
    isTaken: () => false,
    now,
  })
  t.after(async () => {
    forwarding.close()
    await closeServer(door.server)
  })
  return { ...door, folder, identity }
}

test('what another door forwards opens nothing that is for nodes: no certificate, no hands', async (t) => {
  const door = await openDoor(t)
  const { folder, identity } = door
  const taken: string[] = []
  door.between((asked, socket, _head, peer) => {
    taken.push(`${peer} ${asked.url}`)
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    return true
  })
  const pair = makeKeyPair()
  const shown = {
    ca: identity.ca,
    cert: issueCertificate(readAuthority(folder)!, { name: 'node-2', publicKey: pair.publicKey }, now()),
    key: pair.privateKey,
    checkServerIdentity: () => undefined,
  }
  const ask = (method: string, path: string, headers: Record<string, string> = {}, body = '') =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asking = request(new URL(path, door.url), { ...shown, agent: false, method, headers })
      asking.once('error', reject)
      asking.once('response', (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      asking.end(body)
    })
  const own = JSON.stringify({ name: 'node-2', publicKey: makeKeyPair().publicKey })
  const hands = `/hands/${'0'.repeat(32)}`
  const upgrade = { connection: 'Upgrade', upgrade: 'oxbow-hands' }

  // As node-2 itself.
  assert.match((await ask('POST', joinPath, {}, own)).text, /BEGIN CERTIFICATE/)
  assert.equal((await ask('GET', '/healthz')).status, 200)
  assert.equal((await ask('GET', hands, upgrade)).status, 403)
  assert.deepEqual(taken, [`node-2 ${hands}`])
  // As somebody whose request node-2 forwards.
  for (const user of ['ann', '', 'node-2']) {
    const forwarded = { 'oxbow-user': user }
    for (const [method, path] of [
      ['POST', joinPath],
      ['GET', authorityPath],
      ['GET', '/healthz'],
    ] as const) {
      const { status, text } = await ask(method, path, forwarded, method === 'POST' ? own : '')
      assert.equal(status, 503, `${method} ${path} for ${user}: ${text}`)
      assert.ok(!text.includes('CERTIFICATE'), text)
    }
    assert.equal((await ask('GET', hands, { ...forwarded, ...upgrade })).status, 503)
  }
  assert.equal(taken.length, 1)
  assert.equal((await ask('GET', '/api/v1/sessions')).status, 404)
})

test('a connection that is kept to a node ends when that is removed', async (t) => {
  const { folder, identity, url } = await openDoor(t)
  const pair = makeKeyPair()
  const cert = issueCertificate(readAuthority(folder)!, { name: 'node-2', publicKey: pair.publicKey }, now())
  const there = mkdtempSync(join(tmpdir(), 'oxbow-peer-door-'))
  t.after(() => rmSync(there, { recursive: true, force: true }))
  const revocations = openRevocations(there)
  const agent = agentTo({ ca: identity.ca, cert, key: pair.privateKey }, 'node-1', revocations)
  t.after(() => agent.destroy())
  const ask = () =>
    new Promise<Socket>((resolve, reject) => {
      const asking = request(new URL('/healthz', url), { agent })
      asking.once('error', reject)
      asking.once('response', (response) => {
        const { socket } = response
        response.resume().once('end', () => resolve(socket))
      })
      asking.end()
    })
  const kept = await ask()
  assert.equal(await ask(), kept)
  const ended = new Promise((resolve) => kept.once('close', resolve))
  revocations.add('node-1', revokedFrom(now()))
  await ended
  await assert.rejects(ask(), /the node node-1 was removed/)
})

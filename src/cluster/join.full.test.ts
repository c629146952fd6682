/** A machine that cannot become a node leaves nothing open: no door, no connection, no timer, no process that is ready ahead. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { configSchema } from '../config/index.ts'
import type { BegunGuest } from '../runner/index.ts'
import { joinCluster, type JoinOptions } from './join.ts'
import { freePort, natsSkip, useNats } from './nats-fixture.ts'
import { initCluster } from './nats-link.ts'
import { foundCluster, trustFolder } from './trust/node-identity.ts'

const nats = useNats()
const skip = natsSkip()

/** What keeps a process alive. */
const open = (): Record<string, number> =>
  Object.fromEntries(
    ['Timeout', 'TCPSocketWrap', 'TCPServerWrap'].map((kind) => [
      kind,
      process.getActiveResourcesInfo().filter((each) => each === kind).length,
    ]),
  )

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('close', () => socket.destroy())
  })

for (const [where, stream] of [
  ['the queue of hands', 'OXBOW_HANDS'],
  ['the queue of wakes', 'OXBOW_WAKES'],
  ['the keys', 'KV_oxbow_places'],
] as const)
  test(`fails at ${where}, and closes what it has opened`, { skip }, async () => {
    const before = open()
    const server = await nats.server()
    const home = mkdtempSync(join(tmpdir(), 'oxbow-join-'))
    const ports = [await freePort(), await freePort()] as const
    const config = configSchema.parse({
      cluster: { nats: [server.url], node: 'a', hands: { capacity: 1 }, door: { port: ports[0] }, peer: { port: ports[1] } },
    }).cluster
    const identity = foundCluster(trustFolder(home), 'a', Date.now())
    await initCluster(config, identity)
    const admin = await connect({ servers: [server.url] })
    await (await jetstreamManager(admin)).streams.delete(stream)
    await admin.close()
    const spares = { begun: 0, ended: 0 }
    const begin = (): BegunGuest => {
      spares.begun += 1
      return { take: () => undefined, end: () => void (spares.ended += 1) }
    }
    const options: JoinOptions = {
      config,
      tier: 'process',
      folder: trustFolder(home),
      token: '',
      storeUrl: 'postgres://nobody@127.0.0.1:1/none',
      version: 'test',
      setup: () => assert.fail('no guest starts'),
      begin,
      machine: { config: configSchema.parse({}), folder: join(home, 'hands'), imageFolder: join(home, 'images') },
      say: () => {},
    }
    await assert.rejects(joinCluster(options))
    assert.equal(spares.ended, spares.begun)
    assert.deepEqual(await Promise.all(ports.map(isOpen)), [false, false])
    // Sockets end a moment after they were closed.
    const more = (): string[] => Object.keys(before).filter((kind) => open()[kind]! > before[kind]!)
    for (let tries = 0; tries < 50 && more().length > 0; tries += 1) await sleep(20)
    assert.deepEqual(more(), [])
    rmSync(home, { recursive: true, force: true })
  })

test('has no process ready ahead where memory matters more', { skip }, async () => {
  const server = await nats.server()
  const home = mkdtempSync(join(tmpdir(), 'oxbow-join-'))
  const begun = { yes: 0, no: 0 }
  for (const wanted of [true, false]) {
    const name = wanted ? 'yes' : 'no'
    const folder = trustFolder(join(home, name))
    const config = configSchema.parse({ cluster: { nats: [server.url], node: name, spare_guest: wanted } }).cluster
    await initCluster(config, foundCluster(folder, name, Date.now()))
    const node = await joinCluster({
      config,
      tier: 'process',
      folder,
      token: '',
      storeUrl: 'postgres://nobody@127.0.0.1:1/none',
      version: 'test',
      setup: () => assert.fail('no guest starts'),
      begin: () => {
        begun[name] += 1
        return null
      },
      machine: { config: configSchema.parse({}), folder: join(home, 'hands'), imageFolder: join(home, 'images') },
      say: () => {},
    })
    await node.close()
  }
  assert.deepEqual(begun, { yes: 1, no: 0 })
  rmSync(home, { recursive: true, force: true })
})

/** The host's end of a machine's way out, with what may come from inside a machine that somebody has taken over. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { carryStreams } from '../../base/index.ts'
import { maxProxyConnections } from '../limits.ts'
import { openEgressPort } from './machine.ts'

describe('the egress port of a machine, at the host’s end', () => {
  let folder = ''
  let proxy: Server
  const connections = new Set<Socket>()
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'oxbow-way-'))
    proxy = createServer((socket) => {
      connections.add(socket)
      socket.on('close', () => connections.delete(socket))
      socket.on('error', () => undefined)
      socket.on('data', (bytes: Buffer) => socket.write(bytes.toString().toUpperCase()))
    }).listen(join(folder, 'proxy.sock'))
    await once(proxy, 'listening')
  })
  after(async () => {
    for (const socket of connections) socket.destroy()
    proxy.close()
    await rm(folder, { recursive: true })
  })

  interface End {
    readonly inside: Duplex
    readonly way: ReturnType<typeof openEgressPort>
    readonly said: string[]
    readonly killed: () => number
    readonly end: () => void
  }
  const make = (): End => {
    const [inside, outside] = duplexPair()
    const said: string[] = []
    let killed = 0
    const way = openEgressPort(outside, { kill: () => void (killed += 1), logger: (message) => said.push(message) })
    return { inside, way, said, killed: () => killed, end: () => void outside.destroy() }
  }
  const ask = async (carrier: ReturnType<typeof carryStreams>, text: string): Promise<string> => {
    const [carried, near] = duplexPair()
    carrier.open(carried)
    near.write(text)
    for await (const bytes of near) return String(bytes)
    return 'nothing'
  }
  const honest = (inside: Duplex) => carryStreams(inside, { maxStreams: 1_000, onBroken: (problem) => assert.fail(problem) })

  it('is closed until a command is let out', async () => {
    const { inside, way, end } = make()
    const carrier = honest(inside)
    assert.equal(await ask(carrier, 'too early'), 'nothing')
    assert.equal(connections.size, 0)
    way.open(join(folder, 'proxy.sock'))
    assert.equal(await ask(carrier, 'now'), 'NOW')
    end()
  })

  it('allows as many connections as the proxy, and a closed socket ends only its connection', async () => {
    const { inside, way, killed, end } = make()
    const carrier = honest(inside)
    way.open(join(folder, 'proxy.sock'))
    const all = await Promise.all(
      Array.from({ length: maxProxyConnections }, async () => {
        const [carried, near] = duplexPair()
        carrier.open(carried)
        near.write('held')
        await once(near, 'data')
        return near
      }),
    )
    assert.equal(await ask(carrier, 'one more'), 'nothing')
    for (const near of all) near.end()
    way.open(join(folder, 'no such socket'))
    while (carrier.count() > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(await ask(carrier, 'nobody listens'), 'nothing')
    assert.equal(killed(), 0)
    end()
  })

  it('ends a machine that violates the protocol, once, reports it, and closes its connections', async () => {
    const { inside, way, said, killed, end } = make()
    way.open(join(folder, 'proxy.sock'))
    assert.equal(await ask(honest(inside), 'before'), 'BEFORE')
    inside.write('GET / HTTP/1.1\r\n\r\n'.repeat(1_000))
    while (killed() === 0 || connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(said, ['The micro VM was ended: an unknown kind of frame on its egress port.'])
    assert.equal(killed(), 1)
    end()
  })

  it('closes its connections when the machine ends', async () => {
    const { inside, way, end } = make()
    way.open(join(folder, 'proxy.sock'))
    assert.equal(await ask(honest(inside), 'alive'), 'ALIVE')
    end()
    while (connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })
})

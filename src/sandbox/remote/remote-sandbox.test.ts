/** A guest's sandbox that its runner serves over sockets: the same contract as the sandbox itself. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { encodeFrame, encodeMessage } from '../../protocol/index.ts'
import type { Sandbox } from '../../protocol/index.ts'
import { asker, describeSandboxContract, refusedWith } from '../sandbox-contract.ts'
import type { SandboxUnderTest } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { connectSandbox, handsSocket, serveSandbox } from './remote-sandbox.ts'

interface Served extends SandboxUnderTest {
  readonly folder: string
  /** The sandbox behind it. */
  readonly own: Sandbox
  stopServing(): Promise<void>
}

async function makeServed(): Promise<Served> {
  const bench = await makeWorkbench()
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-served-'))
  const service = await serveSandbox(bench.sandbox, folder)
  return {
    sandbox: connectSandbox(folder, bench.sandbox.status),
    own: bench.sandbox,
    folder,
    stopServing: () => service.close(),
    async remove() {
      await service.close()
      await bench.sandbox.close()
      await bench.remove()
      await rm(folder, { recursive: true })
    },
  }
}

describeSandboxContract('served by a runner', makeServed)

describe('a sandbox that a runner serves', () => {
  async function withServed(run: (served: Served) => Promise<void>): Promise<void> {
    const served = await makeServed()
    try {
      await run(served)
    } finally {
      await served.sandbox.close()
      await served.remove()
    }
  }
  const running = (command: string) => ({ command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 1_000 })

  it('has the same profiles, each with its own socket that only its owner can open', () =>
    withServed(async ({ sandbox, own, folder }) => {
      assert.deepEqual(sandbox.status, own.status)
      const sockets = own.status.profiles.map((profile) => `hands-${profile}.sock`)
      assert.deepEqual((await readdir(folder)).sort(), ['branches.sock', ...sockets].sort())
      const vault = await sandbox.hands('vault-read')
      const calm = { signal: new AbortController().signal, timeoutMs: 20_000 }
      assert.deepEqual(
        (await vault.ask('list', { path: '/vault', depth: 1, glob: '', all: false, skip: 0, maxEntries: 10 }, calm)).entries,
        [],
      )
      await refusedWith('sandbox_missing', vault.ask('exec', running('true'), calm))
    }))

  it('ends the requests of a guest that has disconnected', () =>
    withServed(async ({ sandbox, own }) => {
      const command = asker(sandbox)('exec', running('echo up > /tmp/up; sleep 600')).catch((error: unknown) => error)
      const ask = asker(own)
      await ask('exec', running('until [ -s /tmp/up ]; do sleep 0.02; done'))
      await sandbox.close()
      await command
      await ask('exec', running("while cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -q '[s]leep 600'; do sleep 0.02; done"))
    }))

  it('is available again after its runner restarts', () =>
    withServed(async ({ sandbox, own, folder, stopServing }) => {
      const ask = asker(sandbox)
      assert.equal((await ask('exec', running('echo one'))).stdout, 'one\n')
      await stopServing()
      await refusedWith('sandbox_failed', ask('exec', running('echo two')))
      const again = await serveSandbox(own, folder)
      try {
        assert.equal((await ask('exec', running('echo three'))).stdout, 'three\n')
      } finally {
        await again.close()
      }
    }))

  it('closes a connection with an invalid request, and keeps serving others', () =>
    withServed(async ({ sandbox, folder }) => {
      const garbage: readonly (readonly Buffer[])[] = [
        [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
        [...encodeMessage(1, '{')],
        [...encodeMessage(1, 'null')],
        [...encodeMessage(1, JSON.stringify({ op: 'constructor', input: {} }))],
        [...encodeMessage(1, JSON.stringify({ op: 'exec', input: 5 }))],
        [...encodeMessage(0, JSON.stringify({ op: 'stat', input: {} }))],
        [encodeFrame('data', 1, Buffer.from('x')), ...encodeMessage(1, JSON.stringify({ op: 'put', input: {}, bytes: 2 }))],
      ]
      for (const frames of garbage) {
        const socket = connect(handsSocket(folder, 'work'))
        socket.resume()
        socket.on('error', () => undefined)
        for (const frame of frames) socket.write(frame)
        await once(socket, 'close')
      }
      assert.equal((await asker(sandbox)('exec', running('echo fine'))).stdout, 'fine\n')
    }))

  it('buffers no replies for a guest that reads none, and limits its connections', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-served-'))
    let requests = 0
    const hands = { ask: () => Promise.resolve({ text: `${(requests += 1)}`.padEnd(20_000) }) }
    const status = { profiles: ['work'] }
    const service = await serveSandbox({ status, hands: () => Promise.resolve(hands) } as unknown as Sandbox, folder)
    const sockets: Socket[] = []
    t.after(async () => {
      for (const each of sockets) each.destroy()
      await service.close()
      await rm(folder, { recursive: true })
    })
    const open = (): Socket => {
      const socket = connect(handsSocket(folder, 'work'))
      sockets.push(socket)
      return socket
    }
    const socket = open()
    socket.on('error', () => undefined)
    const all = 3_000
    // As many at once as a guest may have in progress.
    for (let id = 1; id <= all; id += 1) {
      for (const frame of encodeMessage(id, '{"op":"stat","input":{"path":"/shared"}}')) socket.write(frame)
      if (id % 20 === 0) for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(requests > 0 && requests < all / 2, String(requests))
    socket.destroy()
    const more = Array.from({ length: 20 }, open)
    const greeted = await Promise.all(
      more.map((each) => Promise.race([once(each, 'data').then(() => 1), once(each, 'close').then(() => 0)])),
    )
    assert.ok(greeted.filter((each) => each === 1).length <= 4)
  })
})

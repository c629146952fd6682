/** Passes that a runner hands to an isolated guest over a socket: a real socket, and a real proxy behind it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { withProxy } from '../egress/proxy-fixture.ts'
import { connectPasses, servePasses } from './egress-passes.ts'

async function withPasses(run: (place: { folder: string; passes: ReturnType<typeof connectPasses> }) => Promise<void>): Promise<void> {
  await withProxy(async ({ proxy }) => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-passes-'))
    const service = await servePasses(proxy, folder)
    try {
      await run({ folder, passes: connectPasses(folder) })
    } finally {
      await service.close()
      await rm(folder, { recursive: true })
    }
  })
}

describe('passes of an isolated guest', () => {
  it('are issued by its runner, tell what went by them, and end', () =>
    withPasses(async ({ passes }) => {
      const pass = await passes.issue('online', ['site.test', '*.example.com:443'])
      assert.match(pass.token, /^[0-9a-f]{32}$/)
      assert.deepEqual(await pass.soFar(), { rows: [], more: 0 })
      assert.deepEqual(await pass.end(), { rows: [], more: 0 })
      await assert.rejects(pass.soFar(), { code: 'not_found' })
    }))

  it('are refused for what is no host, with the reason', () =>
    withPasses(async ({ passes }) => {
      await assert.rejects(passes.issue('online', ['http://site.test/']), {
        code: 'bad_input',
        message: /"http:\/\/site\.test\/".*not a host/,
      })
      await assert.rejects(passes.issue('online', Array<string>(51).fill('a.test')), { code: 'sandbox_failed' })
    }))

  it('are refused to a client that violates the protocol, which is disconnected; others are served', () =>
    withPasses(async ({ folder, passes }) => {
      for (const line of ['{}\n', 'x\n', '{"issue":5}\n', '{"so_far":"a","end":"a"}\n', `{"so_far":"${'a'.repeat(2_000_000)}`, '[]\n']) {
        const socket = connect(join(folder, 'passes.sock'))
        socket.on('error', () => undefined)
        let got = ''
        socket.on('data', (bytes: Buffer) => (got += String(bytes)))
        socket.write(line)
        await new Promise<void>((resolve) => socket.once('close', () => resolve()))
        assert.equal(got, '', line.slice(0, 40))
      }
      assert.match((await passes.issue('online', [])).token, /^[0-9a-f]{32}$/)
    }))

  it('use no slot when the client disconnects before the reply', () =>
    withProxy(async ({ proxy }) => {
      const folder = await mkdtemp(join(tmpdir(), 'oxbow-passes-'))
      const received = Promise.withResolvers<void>()
      const gone = Promise.withResolvers<void>()
      const ended = Promise.withResolvers<void>()
      const late: Pick<typeof proxy, 'issue'> = {
        async issue(profile, hosts) {
          const pass = await proxy.issue(profile, hosts)
          received.resolve()
          await gone.promise
          const end = async () => {
            const visits = await pass.end()
            ended.resolve()
            return visits
          }
          return { ...pass, end }
        },
      }
      const service = await servePasses(late, folder)
      const socket = connect(join(folder, 'passes.sock'))
      socket.write('{"issue":[]}\n')
      await received.promise
      socket.destroy()
      await once(socket, 'close')
      gone.resolve()
      await ended.promise
      await service.close()
      await rm(folder, { recursive: true })
    }))

  it('report that their traffic is unknown when the runner has exited meanwhile', () =>
    withProxy(async ({ proxy }) => {
      const folder = await mkdtemp(join(tmpdir(), 'oxbow-passes-'))
      const service = await servePasses(proxy, folder)
      const pass = await connectPasses(folder).issue('online', [])
      await service.close()
      const reason = 'The runner does not answer for the network.'
      const unknown = { host: 'unknown', port: 0, decision: 'failed', reason, connections: 1, bytesOut: 0, bytesIn: 0 }
      assert.deepEqual(await pass.soFar(), { rows: [unknown], more: 0 })
      assert.deepEqual(await pass.end(), { rows: [unknown], more: 0 })
      await rm(folder, { recursive: true })
    }))

  it('say what to do when the runner has exited', async () => {
    await assert.rejects(connectPasses(join(tmpdir(), 'oxbow-nowhere')).issue('online', []), {
      code: 'sandbox_failed',
      hint: 'Start Oxbow again.',
    })
  })
})

/** A gateway that has no network listens on a socket; who passes connections on says where they come from. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { systemRandom } from '../types/index.ts'
import { createFakeKernel } from './fake-kernel.ts'
import { startGateway } from './gateway.ts'
import { createToken } from './token.ts'

it('a gateway listens on a unix socket, and keeps to its rules about hosts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-gateway-'))
  const socket = { path: join(folder, 'gateway.sock'), url: 'ws://127.0.0.1:7777/ws' }
  const gateway = await startGateway({ kernel: createFakeKernel(), host: '127.0.0.1', port: 0, token: createToken(systemRandom), socket })
  assert.equal(gateway.url, socket.url)
  const health = (host: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ socketPath: socket.path, path: '/health', headers: { host } }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      asked.on('error', reject)
      asked.end()
    })
  assert.equal(await health('127.0.0.1:7777'), 200)
  assert.equal(await health('evil.example'), 403)
  await gateway.close()
  await rm(folder, { recursive: true })
})

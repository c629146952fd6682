import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { parseConfig } from '../../types/index.ts'
import { reachModel } from './reach-model.ts'

async function serve(status: number | null): Promise<{ server: Server; url: string; requests: IncomingMessage[] } & AsyncDisposable> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    if (status !== null) response.writeHead(status).end('{"data":[]}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`
  return { server, url, requests, [Symbol.asyncDispose]: async () => server.close().closeAllConnections() }
}

const configOf = (model: object) => parseConfig({ model }, 'this test')
const openai = (url: string) => configOf({ provider: 'openai', name: 'gpt-x', base_url: url, api_key_env: 'KEY' })
const env = { KEY: 'sk-secret' }

test('a service that answers is reached, with its key, by a request that costs nothing', async () => {
  await using service = await serve(200)
  const reach = await reachModel({ config: openai(service.url), env }, 5_000)
  assert.deepEqual([reach.state, reach.model], ['reached', 'openai/gpt-x'])
  const [request] = service.requests
  assert.deepEqual([request?.method, request?.url, request?.headers.authorization], ['GET', '/v1/models', 'Bearer sk-secret'])
})

test('a refused key, a broken service, a silent one and a closed port are told apart, without the key', async () => {
  const outcomes: string[] = []
  for (const status of [401, 503, null]) {
    await using service = await serve(status)
    const reach = await reachModel({ config: openai(service.url), env }, 200)
    assert.ok(!JSON.stringify(reach).includes('sk-secret'))
    outcomes.push(`${reach.state}: ${reach.message.replace(/:\d+/, '')}`)
  }
  const gone = await serve(200)
  await gone[Symbol.asyncDispose]()
  outcomes.push((await reachModel({ config: openai(gone.url), env }, 5_000)).message.replace(/:\d+/, ''))
  assert.deepEqual(outcomes, [
    'refused: http://127.0.0.1 refuses the key (401).',
    'unreachable: http://127.0.0.1 answers with an error (503).',
    'unreachable: http://127.0.0.1 cannot be reached: the connection timed out.',
    'http://127.0.0.1 cannot be reached: nothing listens there.',
  ])
})

test('a model in this process needs nobody, and a missing key names its variable', async () => {
  assert.equal((await reachModel({ config: configOf({}), env: {} }, 1)).state, 'local')
  const missing = await reachModel({ config: configOf({ provider: 'openai', name: 'gpt-x' }), env: {} }, 1)
  assert.equal(missing.state, 'unconfigured')
  assert.match(missing.message, /OPENAI_API_KEY is not set/)
})

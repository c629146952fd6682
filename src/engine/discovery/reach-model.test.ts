import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { parseConfig } from '../../config/index.ts'
import { askAddress } from './ask-address.ts'
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

/** Answers what is listed here, anything else with 404. */
async function serveRoutes(routes: Readonly<Record<string, { readonly status?: number; readonly body: object }>>) {
  const server = createServer((request, response) => {
    const found = routes[`${request.method} ${request.url}`]
    response.writeHead(found === undefined ? 404 : (found.status ?? 200), { 'content-type': 'application/json' })
    response.end(JSON.stringify(found?.body ?? { error: 'Not Found' }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, [Symbol.asyncDispose]: async () => server.close().closeAllConnections() }
}

test('a base URL at which nothing answers is refused, with the one that works', async () => {
  await using service = await serveRoutes({ 'GET /v1/models': { body: { data: [{ id: 'gpt-x' }] } } })
  for (const path of ['', '/', '/api', '/v1/chat/completions', '/v1/models']) {
    const { state, message, hint } = await reachModel({ config: openai(`${service.origin}${path}`), env }, 5_000)
    assert.equal(state, 'refused', path)
    assert.ok(message.endsWith(` ${service.origin}/v1 does.`), message)
    assert.ok(hint.includes(`oxbow config set model.base_url ${service.origin}/v1`), hint)
    const { models, betterUrl } = await askAddress(`${service.origin}${path}`, '')
    assert.deepEqual([models, betterUrl], [null, `${service.origin}/v1`], path)
  }
  const own = parseConfig({ model: { name: 'mine/gpt-x' }, providers: { mine: { base_url: service.origin } } }, 'this test')
  assert.ok((await reachModel({ config: own, env: {} }, 5_000)).hint.includes('providers.mine.base_url'))
  await using empty = await serveRoutes({})
  const nowhere = await reachModel({ config: openai(`${empty.origin}/v1`), env }, 5_000)
  assert.deepEqual([nowhere.state, /usually ends in \/v1/.test(nowhere.hint)], ['refused', true])
})

test('a service that lists no models but answers requests is reached', async () => {
  await using service = await serveRoutes({ 'POST /v1/chat/completions': { status: 400, body: { error: 'model is required' } } })
  assert.equal((await reachModel({ config: openai(`${service.origin}/v1`), env }, 5_000)).state, 'reached')
})

test('a model that the service does not list is said to be missing, with the nearest names', async () => {
  const data = ['gpt-xl', 'other', 'gpt-z-2026-01-31', 'llama:latest'].map((id) => ({ id }))
  await using service = await serveRoutes({ 'GET /v1/models': { body: { data } } })
  const of = (name: string) =>
    reachModel({ config: configOf({ provider: 'openai', name, base_url: `${service.origin}/v1` }), env: {} }, 5_000)
  const lacking = await of('gpt-x')
  assert.deepEqual([lacking.state, lacking.message.includes('does not list the model "gpt-x"')], ['unlisted', true])
  assert.match(lacking.hint, /gpt-xl.*`oxbow config set model\.name openai\/gpt-xl`/)
  assert.match((await of('zzzzzzzzzzzz')).hint, /It lists: gpt-xl, other, gpt-z-2026-01-31/)
  for (const name of ['gpt-z', 'llama', 'other', 'other:free']) assert.equal((await of(name)).state, 'reached', name)
})

test('without a key, a service that wants one says which is to be stored', async () => {
  await using service = await serve(401)
  const { message, hint } = await reachModel(
    { config: configOf({ provider: 'openai', name: 'gpt-x', base_url: service.url }), env: {} },
    5_000,
  )
  assert.match(`${message} ${hint}`, /needs a key \(401\)\. .*oxbow secret set OPENAI_API_KEY/)
})

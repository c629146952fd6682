/** Routes of plugins, as handlers that were written for express find requests and answer them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError } from '../base/index.ts'
import type { PluginOps } from '../protocol/index.ts'
import type { Route } from './eliza-types.ts'
import { answerRoute } from './routes.ts'

type Input = PluginOps['route']['input']
type Handler = (request: any, response: any, runtime: object) => unknown

const runtime = { name: 'runtime' }
const asking = (path: string, more: Partial<Input> = {}): Input =>
  ({ method: 'GET', path, query: {}, headers: {}, body: '', ...more }) as Input
const route = (path: string, handler: Handler, type = 'GET'): Route => ({ path, type, handler }) as unknown as Route
const textOf = ({ body }: { readonly body: string }): string => Buffer.from(body, 'base64').toString()

test('a route is found by method and path, and has the named parts, the query and the runtime', async () => {
  const seen: unknown[] = []
  const routes = [
    route('/agents/:id/rooms/:room', ({ params, query, url }, response, given) => {
      seen.push({ ...params }, query, url, given)
      response.status(201).json({ ok: true })
    }),
    route('/files/*', ({ params }, response) => response.send(params[0])),
    route('/agents/:id', (_, response) => response.send('posted'), 'POST'),
  ]
  const made = await answerRoute(routes, asking('/agents/a%20b/rooms/%E0%A4', { query: { q: '1' } }), runtime)
  assert.deepEqual(seen, [{ id: 'a b', room: '%E0%A4' }, { q: '1' }, '/agents/a%20b/rooms/%E0%A4?q=1', runtime])
  assert.equal(made.status, 201)
  assert.equal(made.headers['content-type'], 'application/json')
  assert.equal(textOf(made), '{"ok":true}')
  assert.equal(textOf(await answerRoute(routes, asking('/files/a/b.txt'), runtime)), 'a/b.txt')
  assert.equal(textOf(await answerRoute(routes, asking('/agents/x', { method: 'post' }), runtime)), 'posted')
  for (const path of ['/agents', '/agents/a/rooms', '/none'])
    await assert.rejects(answerRoute(routes, asking(path), runtime), (error) => isOxbowError(error, 'not_found'))
})

test('a named part cannot change what objects inherit', async () => {
  const echo = route('/:__proto__', ({ params }, response) => response.json(Object.keys(params)))
  assert.equal(textOf(await answerRoute([echo], asking('/polluted'), runtime)), '["__proto__"]')
  assert.equal(({} as { polluted?: unknown }).polluted, undefined)
})

test('a body is read as its type says, and one that is broken is empty', async () => {
  const echo = route('/', ({ body }, response) => response.json(body), 'POST')
  const post = async (type: string, body: string): Promise<string> => {
    const given = { method: 'POST', headers: { 'Content-Type': type }, body: Buffer.from(body).toString('base64') }
    return textOf(await answerRoute([echo], asking('/', given), runtime))
  }
  assert.equal(await post('application/json', '{"a":1}'), '{"a":1}')
  assert.equal(await post('application/json', '{"a":'), '{}')
  assert.equal(await post('application/x-www-form-urlencoded', 'a=1&b=x+y'), '{"a":"1","b":"x y"}')
  assert.equal(await post('text/plain', 'a=1'), '{}')
})

test('an answer may be written in pieces, as bytes or late; one that is too large, or throws, is an error', async () => {
  const pieces = route('/pieces', async (_, response) => {
    response.writeHead(206, { 'x-of': 'pieces' })
    response.write('one, ')
    await new Promise(setImmediate)
    response.end(Buffer.from('two'))
  })
  const answer = await answerRoute([pieces], asking('/pieces'), runtime)
  assert.deepEqual([answer.status, answer.headers['x-of'], textOf(answer)], [206, 'pieces', 'one, two'])
  const large = route('/large', (_, response) => response.end(Buffer.alloc(17 * 1024 * 1024)))
  await assert.rejects(answerRoute([large], asking('/large'), runtime), (error) => isOxbowError(error, 'limit_reached'))
  const throws = route('/throws', () => Promise.reject(new Error('broken')))
  await assert.rejects(answerRoute([throws], asking('/throws'), runtime), { message: 'broken' })
})

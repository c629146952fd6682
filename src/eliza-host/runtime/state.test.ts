/** What providers say about a message, put together as elizaOS does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Provider, State } from '../eliza-types.ts'
import type { ElizaRuntime } from './runtime-types.ts'
import { remember, stateMethods } from './state.ts'

const asked: string[] = []
const provider = (name: string, more: Partial<Provider> & { text?: string; values?: object } = {}): Provider => {
  const { text = name, values = {}, ...fields } = more
  return { name, get: async () => (asked.push(name), { text, values }), ...fields }
}
const open = (providers: readonly Provider[]) => {
  const self = { providers, stateCache: new Map<string, State>() } as unknown as ElizaRuntime
  return Object.assign(self, stateMethods(self))
}
const message = (id?: string) => ({ id, content: { text: 'hi' } }) as never

test('providers are asked in the order of their positions; private and dynamic ones only when they are named', async () => {
  const own = open([
    provider('last', { position: 9 }),
    provider('secret', { private: true }),
    provider('first', { position: -1 }),
    provider('rare', { dynamic: true, position: 1 }),
  ])
  assert.equal((await own.composeState(message())).text, 'first\nlast')
  assert.equal((await own.composeState(message(), ['rare', 'nobody'])).text, 'first\nrare\nlast')
  assert.equal((await own.composeState(message(), ['secret'], true)).text, 'secret')
  assert.equal((await own.composeState(message(), [], true)).text, 'first\nlast')
})

test('values are joined, blank texts are left out, and a name that objects inherit is a name like any other', async () => {
  const own = open([
    provider('a', { values: { x: 1, y: 1 } }),
    provider('b', { values: { y: 2 }, text: '  ' }),
    provider('__proto__', { values: { z: 3 }, text: 'odd' }),
  ])
  const { values, data, text } = await own.composeState(message())
  assert.equal(text, 'a\nodd')
  assert.deepEqual(values, { x: 1, y: 2, z: 3, providers: 'a\nodd' })
  assert.deepEqual(Object.keys(data['providers'] as object).toSorted(), ['__proto__', 'a', 'b'])
  assert.equal(({} as { z?: unknown }).z, undefined)
})

test('what was said of a message is kept for it and joined by what is asked later, unless the cache is passed over', async () => {
  const own = open([provider('a', { values: { x: 1 } }), provider('more', { dynamic: true, values: { m: 1 } })])
  await own.composeState(message('one'))
  const later = await own.composeState(message('one'), ['more'], true)
  assert.deepEqual([later.text, later.values['x'], later.values['m']], ['more', 1, 1])
  const fresh = await own.composeState(message('one'), ['more'], true, true)
  assert.equal(fresh.values['x'], undefined)
  assert.equal(own.stateCache.size, 1)
})

test('the newest 500 states are kept', () => {
  const cache = new Map<string, State>()
  const state: State = { values: {}, data: {}, text: '' }
  for (let i = 0; i < 501; i++) remember(cache, String(i), state)
  remember(cache, '1', state)
  assert.equal(cache.size, 500)
  assert.deepEqual([cache.has('0'), [...cache.keys()].at(-1)], [false, '1'])
})

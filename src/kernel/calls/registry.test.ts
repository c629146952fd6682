import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { done, testCall } from '../kernel-fixture.ts'
import { createRegistry } from './registry.ts'
import { authorize } from '../policy/policy.ts'

test('calls that fail to load once are loaded on the next request', async () => {
  let times = 0
  const registry = createRegistry(async () => {
    if ((times += 1) === 1) throw new Error('EMFILE: too many open files')
    return [testCall('a.b', async () => done(''))]
  })
  await assert.rejects(registry.parse('a.b', {}), /EMFILE/)
  assert.equal((await registry.parse('a.b', {})).ok, true)
})

test('a call that this guest cannot make is offered to nobody, and says why to whoever asks for it', async () => {
  const unavailable = { code: 'sandbox_missing', message: 'a.page needs a browser.', hint: 'Install one.' } as const
  const registry = createRegistry(async () => [
    testCall('a.file', async () => done('')),
    { ...testCall('a.page', async () => done('')), unavailable },
  ])
  for (const name of ['a.page', 'a_page']) {
    const parsed = await registry.parse(name, {})
    assert.ok(parsed.ok)
    const rights = new Set([parsed.call.right])
    const caller = { audience: 'model', actor: 'agent:ox', rights, turn: '' } as unknown as Caller
    const { approval } = configSchema.parse({})
    assert.deepEqual(authorize(caller, parsed.call, approval, 'ox'), unavailable)
    const without = (actor: string) => authorize({ ...caller, actor, rights: new Set() }, parsed.call, approval, 'ox')
    assert.equal(without('agent:ox')?.code, 'denied', 'who may not make it learns no more')
    assert.match(without('agent:ox')!.hint, /rights under \[agent\] in config\.toml/)
    assert.match(without('agent:ada')!.hint, /rights of agents\/ada\.toml/)
  }
  const rights = new Set(registry.references().map(({ right }) => right))
  assert.deepEqual(
    registry.tools(rights, []).map(({ name }) => name),
    ['a_file'],
  )
  assert.equal(registry.find('a.page'), undefined)
  assert.deepEqual(
    registry.references().map(({ name, unavailable: why }) => [name, why]),
    [
      ['a.file', ''],
      ['a.page', 'a.page needs a browser.'],
    ],
  )
})

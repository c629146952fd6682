/** How a new host of a plugin takes over, in a real sandbox: it must pass the tests of the plugin before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallForTests } from '../../protocol/index.ts'
import { done, makeHostBench } from './host-fixture.ts'

const source = (version: string, check: string): string => `
import { definePlugin } from 'oxbow/plugin'
import { existsSync, writeFileSync } from 'node:fs'
export default definePlugin({
  name: 'tested',
  actions: [
    { name: 'version', handler: () => ({ success: true, text: '${version}' }) },
    { name: 'wait', async handler() {
      while (!existsSync('/data/go')) await new Promise((resolve) => setTimeout(resolve, 10))
      return { success: true, text: '${version}' }
    } },
    { name: 'release', handler: () => (writeFileSync('/data/go', ''), { success: true }) },
  ],
  tests: [{ name: 'all', tests: [{ name: 'works', async fn(runtime) { ${check} } }] }],
})
`
const readsFile = `const { text } = await runtime.call('file.read', { path: '/shared/a' }); if (text !== 'read') throw new Error('got ' + text)`

test('a new host takes over when it passes its tests, between calls; one that fails them leaves the old one', async () => {
  await using bench = await makeHostBench({ plugins: { tested: source('1', '') } })
  const { hosts, act } = bench
  const version = async (): Promise<string> => (await act('tested', 'version')).text
  const calls: string[] = []
  const record: CallForTests = (plugin) => async (name) => (calls.push(`${plugin.version} ${name}`), done('read'))
  assert.equal(await version(), '1')

  const broken = await bench.plugin('tested', source('2', `throw new Error('no luck')`), { version: '2.0.0' })
  const { tested: problem } = await hosts.replace([broken], record)
  assert.equal(problem, '1 of 1 tests of tested 2.0.0 failed: all › works: no luck')
  assert.deepEqual([await version(), hosts.plugins()[0]!.version, hosts.state('tested').phase], ['1', '1.0.0', 'running'])

  const good = await bench.plugin('tested', source('3', readsFile), { version: '3.0.0' })
  const waiting = act('tested', 'wait')
  assert.match((await hosts.replace([good]))['tested']!, /can make no calls in this request/)
  assert.deepEqual(await hosts.replace([good], record), {})
  assert.deepEqual([await version(), hosts.plugins()[0]!.version, calls], ['3', '3.0.0', ['3.0.0 file.read']])
  // The old host ends what it was asked before; both have one folder.
  await act('tested', 'release')
  assert.equal((await waiting).text, '1')
  await assert.rejects(hosts.reload('tested'), { code: 'tool_failed', message: /1 of 1 tests/ })
  assert.equal(await version(), '3')
})

test('hooks and public routes that the manifest does not name are not used, and a person sees which', async () => {
  const parts = `export default { name: 'eager',
    hooks: [{ step: 'call.before', run: () => {} }, { step: 'before_tool_call', run: () => {} }, { step: 'model.before', run: () => {} }],
    routes: [{ type: 'GET', path: '/open', public: true, handler() {} }, { type: 'GET', path: '/stats', public: true, handler() {} }] }`
  await using bench = await makeHostBench({ plugins: { eager: parts }, more: { hooks: ['model.before'], public_routes: ['/open'] } })
  const { hooks, routes } = await bench.hosts.exports('eager', new AbortController().signal)
  assert.deepEqual(
    [hooks.map(({ step }) => step), routes.map(({ path, public: isPublic }) => [path, isPublic])],
    [
      ['model.before'],
      [
        ['/open', true],
        ['/stats', false],
      ],
    ],
  )
  assert.equal(bench.hosts.known('eager'), await bench.hosts.exports('eager', new AbortController().signal))
  assert.deepEqual(bench.hosts.state('eager').withheld, [
    'its hook at call.before is not run: rights.hooks does not name it',
    'its route /stats needs a key: rights.public_routes does not name it',
  ])
})

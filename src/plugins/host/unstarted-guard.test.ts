/** A plugin that must look at a step and does not start: the step is refused, in a real sandbox. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type DescribedPlugin, type HookSource, hookSteps, type HookStep } from '../../protocol/index.ts'
import { createHookSource } from '../parts/hook-source.ts'
import { type HostBench, makeHostBench } from './host-fixture.ts'
import { untold } from '../../protocol/told-fixture.ts'

const guard = `export default { name: 'guard', hooks: [
  { step: 'call.before', fail: 'closed', run: () => false },
  { step: 'model.before', run() {} },
] }`
const broken = `throw new Error('no luck')`
const mended = `export default { name: 'guard' }`

/** Starts of a guest, one after the other, that keep what plugins have in one folder. */
interface Starts extends Disposable {
  readonly folder: string
  start(source: string, hooks?: readonly HookStep[]): Promise<HostBench & { readonly source: HookSource }>
}

function makeStarts(): Starts {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-guards-'))
  return {
    folder,
    async start(source, hooks = hookSteps) {
      const bench = await makeHostBench({ plugins: { guard: source }, more: { hooks }, deps: { stateFolder: folder } })
      const { hosts } = bench
      let last: readonly DescribedPlugin[] = []
      const described = (): readonly DescribedPlugin[] => {
        const exports = hosts.known('guard')
        if (exports !== null && last.length === 0) last = [{ plugin: hosts.plugins()[0]!, exports }]
        return last
      }
      return { ...bench, source: createHookSource({ hosts, described, ...untold }) }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

test('a guard whose new version does not start refuses its steps, after each start of the guest, until it starts', async () => {
  using starts = makeStarts()
  {
    await using first = await starts.start(guard)
    assert.deepEqual(first.source.at('call.before'), [])
    await first.source.loading()
    assert.deepEqual(first.source.at('call.before'), [{ plugin: 'guard', fail: 'closed' }])
  }
  for (const round of ['first', 'second']) {
    await using bench = await starts.start(broken)
    await bench.source.loading()
    assert.deepEqual([bench.source.at('call.before'), bench.source.at('model.before')], [[{ plugin: 'guard', fail: 'closed' }], []], round)
    await assert.rejects(bench.source.ready('guard', new AbortController().signal)!, /no luck/)
  }
  {
    await using bench = await starts.start(broken, ['model.before'])
    assert.deepEqual(bench.hosts.guards('guard'), [])
  }
  for (const round of ['first', 'second']) {
    await using bench = await starts.start(mended)
    await bench.source.loading()
    assert.deepEqual([bench.hosts.guards('guard'), bench.source.at('call.before')], [[], []], round)
  }
  await using bench = await starts.start(broken)
  assert.deepEqual(bench.hosts.guards('guard'), [])
})

test('a guard that cannot be loaded offers nothing and refuses its steps, until it can be', async () => {
  using starts = makeStarts()
  await using bench = await starts.start(guard)
  const { hosts, source } = bench
  await source.loading()
  const [plugin] = hosts.plugins()
  const request = new AbortController().signal
  await hosts.replace([{ ...plugin!, unloadable: 'n is missing' }])
  assert.deepEqual([hosts.known('guard'), hosts.state('guard').problem], [null, 'n is missing'])
  assert.deepEqual(hosts.guards('guard'), [{ step: 'call.before', fail: 'closed' }])
  await assert.rejects(source.ready('guard', request)!, { code: 'bad_config', message: /guard is not loaded: n is missing/ })
  await assert.rejects(hosts.reload('guard'), { code: 'bad_config' })
  assert.deepEqual(await hosts.replace([plugin!]), {})
  assert.deepEqual([hosts.guards('guard'), hosts.known('guard')?.hooks.length], [[], 2])
})

test('a plugin that never started guards nothing, and a damaged note guards each step that is approved', async () => {
  using starts = makeStarts()
  {
    await using bench = await starts.start(broken)
    await bench.source.loading()
    assert.deepEqual(bench.source.at('call.before'), [])
  }
  mkdirSync(join(starts.folder, '.exports'))
  writeFileSync(join(starts.folder, '.exports', 'guard.guards.json'), 'no JSON')
  await using bench = await starts.start(broken, ['call.before', 'turn.ended'])
  assert.deepEqual(
    bench.hosts.guards('guard').map(({ step, fail }) => [step, fail]),
    [
      ['call.before', 'closed'],
      ['turn.ended', 'closed'],
    ],
  )
})

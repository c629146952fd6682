/** A plugin that must look at a step and does not start: the step is refused, in a real sandbox. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type DescribedPlugin, type HookSource, hookSteps, type HookStep } from '../../types/index.ts'
import { createHookSource } from '../parts/hook-source.ts'
import { type HostBench, makeHostBench } from './host-fixture.ts'

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
      return { ...bench, source: createHookSource({ hosts, described, labelsOf: () => ({ labels: new Set(), origins: [] }) as never }) }
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

/** Hosts of elizaOS that are killed in mid-call, that spin and that flood: a request ends honestly, and no effect happens twice. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type HostBench, makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { treeHash } from '../../src/plugins/package/tree.ts'
import { isOxbowError, type JsonObject } from '../../src/base/index.ts'
import type { CallOutcome, HostedPlugin, PluginActionResult } from '../../src/protocol/index.ts'
import { elizaFolder } from './eliza-guest-fixture.ts'
import { type FakeStore, openFakeStore } from './eliza-packages-fixture.ts'

const kills = 50

const source = `
import { appendFileSync } from 'node:fs'
const action = (name, handler) => ({ name, description: name, similes: [], examples: [], validate: async () => true, handler })
export default {
  name: 'fragile',
  description: 'is killed',
  actions: [
    action('KEEP', async (runtime, message, state, { parameters: { id, killMs } }) => {
      if (killMs !== undefined) setTimeout(() => process.kill(process.pid, 'SIGKILL'), killMs)
      await runtime.setCache('last', id)
      appendFileSync('/data/done', id + '\\n')
      await runtime.createMemory({ entityId: runtime.agentId, roomId: runtime.agentId, content: { text: id } }, 'facts')
      return { success: true, text: id }
    }),
    action('SPIN', async () => { for (;;); }),
    action('FLOOD', async () => { for (let i = 0; i < 20000; i += 1) console.log('x'.repeat(500)); return { success: true, text: 'flooded' } }),
  ],
}
`

describe('a host of elizaOS', () => {
  let bench: HostBench
  let store: FakeStore
  before(async () => {
    store = await openFakeStore()
    bench = await makeHostBench({ plugins: {}, deps: { maxCrashes: Infinity, restartMs: 1, checkMs: 1_500 } })
    const folder = await elizaFolder(join(bench.bench.root, 'plugins', 'fragile'), source)
    const base = {
      version: '1.0.0',
      program: 'eliza-host',
      entries: ['index.mjs'],
      rights: [],
      hosts: [],
      secrets: [],
      paths: [],
      config: {},
    } as const
    const plugin: HostedPlugin = { name: 'fragile', folder, tree_hash: await treeHash(folder), ...base }
    assert.deepEqual(await bench.hosts.replace([plugin]), {})
  })
  after(async () => {
    await bench[Symbol.asyncDispose]()
    await store.close()
  })
  const isLost = (error: unknown): boolean => isOxbowError(error, 'sandbox_failed') && error.data['lost'] === true
  /** Waits for a new start: until then, nothing is sent. */
  const act = async (name: string, input: JsonObject): Promise<PluginActionResult> => {
    for (let tries = 0; ; tries += 1) {
      try {
        return await actNow(name, input)
      } catch (error) {
        if (!isOxbowError(error, 'sandbox_failed') || isLost(error) || tries > 500) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const actNow = (name: string, input: JsonObject): Promise<PluginActionResult> => {
    const call = async (called: string, given: JsonObject): Promise<CallOutcome> => {
      const { output, text, failure } = await store.answer(called, given)
      return failure === null ? { status: 'ok', output, text, ok: true } : { status: 'failed', failure, text }
    }
    const request = { signal: new AbortController().signal, timeoutMs: 30_000, call }
    return bench.hosts.ask('fragile', 'action', { name, input, message: null, state: {} }, request)
  }

  it(`that is killed at ${kills} points has each effect at most once, and says where it cannot know`, async () => {
    const ended: Record<string, 'ok' | 'lost'> = {}
    for (let at = 0; at < kills; at += 1) {
      const id = `k${at}`
      try {
        const { ok, text } = await act('KEEP', { id, killMs: at / 4 })
        assert.deepEqual([ok, text], [true, id])
        ended[id] = 'ok'
      } catch (error) {
        assert.ok(isLost(error), String(error))
        ended[id] = 'lost'
      }
    }
    // The last timer.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const file = join(bench.bench.root, 'internal/plugins/fragile/done')
    const done = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
    assert.equal(new Set(done).size, done.length, 'an effect happened twice')
    for (const [id, how] of Object.entries(ended)) if (how === 'ok') assert.equal(done.includes(id), true, id)
    const lost = Object.values(ended).filter((how) => how === 'lost').length
    assert.equal(lost > 0, true)
    console.log(`${lost} of ${kills} were lost; ${done.length} effects`)
  })
  it('that spins is ended, and the next request is answered', async () => {
    await assert.rejects(act('SPIN', {}), (error) => isOxbowError(error, 'sandbox_failed') && /does not answer/.test(error.message))
    assert.equal((await act('KEEP', { id: 'after the spin' })).text, 'after the spin')
  })
  it('that floods its log still answers, and the end of the log alone is kept', async () => {
    assert.equal((await act('FLOOD', {})).text, 'flooded')
    assert.equal((await act('KEEP', { id: 'after the flood' })).text, 'after the flood')
    assert.equal(bench.hosts.state('fragile').log.length <= 16_384, true)
  })
})

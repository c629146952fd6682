/** plugin-bootstrap in its real sandbox: one process, no network, and what it keeps crosses as calls. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type HostBench, makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { treeHash } from '../../src/plugins/package/tree.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { CallOutcome, HostedPlugin, PluginCallResult } from '../../src/protocol/index.ts'
import { elizaPackages, entriesOf, type FakeStore, messageOf, openFakeStore } from './eliza-packages-fixture.ts'

/** What it names and does not import. */
const unused: ReadonlySet<string> = new Set(['bun', '@elizaos/plugin-sql'])

/** Copies a package and what it needs. */
function copyPackage(from: string, to: string, name: string, at: string = from): void {
  const places = [join(at, 'node_modules', name), join(from, 'node_modules', name)]
  const folder = places.find((place) => existsSync(place))
  if (folder === undefined) return
  const target = join(to, folder.slice(from.length))
  if (existsSync(target)) return
  mkdirSync(dirname(target), { recursive: true })
  cpSync(folder, target, { recursive: true, filter: (path) => !path.endsWith('/.bin') })
  const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: object }
  for (const needed of Object.keys(dependencies)) if (!unused.has(needed)) copyPackage(from, to, needed, folder)
}

const outcomeOf = ({ output, text, ok, failure }: PluginCallResult): CallOutcome =>
  failure === null ? { status: 'ok', output, text, ok } : { status: 'failed', failure, text }

describe('plugin-bootstrap 1.7.2 in a sandbox', () => {
  let bench: HostBench
  let store: FakeStore
  const signal = new AbortController().signal
  const request = (more: object = {}) => ({
    signal,
    timeoutMs: 30_000,
    call: async (name: string, input: JsonObject) => outcomeOf(await store.answer(name, input)),
    ...more,
  })
  before(async () => {
    const packages = await elizaPackages()
    store = await openFakeStore(() => '<response><thought>t</thought><text>Hello from inside.</text></response>')
    bench = await makeHostBench({ plugins: {} })
    const folder = join(bench.bench.root, 'plugins', 'bootstrap')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    copyPackage(packages, folder, '@elizaos/plugin-bootstrap')
    const plugin: HostedPlugin = {
      name: 'bootstrap',
      version: '1.7.2',
      program: 'eliza-host',
      entries: entriesOf('plugin-bootstrap'),
      folder,
      rights: [],
      hosts: [],
      secrets: [],
      paths: [],
      config: {
        character: {
          name: 'Ada',
          bio: 'Ada sails.',
        },
      },
      tree_hash: await treeHash(folder),
    }
    assert.deepEqual(await bench.hosts.replace([plugin]), {})
  })
  after(async () => {
    await bench[Symbol.asyncDispose]()
    await store.close()
  })

  it('is described and answers', async () => {
    const found = await bench.hosts.exports('bootstrap', signal)
    assert.deepEqual([found.actions.length, found.providers.length, found.evaluators.length, found.services.length], [13, 16, 1, 2])
    const message = messageOf('Good morning!')
    const reply = await bench.hosts.ask('bootstrap', 'action', { name: 'REPLY', input: {}, message, state: {} }, request())
    assert.match(reply.text, /Hello from inside\./)
    assert.equal(
      store.calls.some(({ input }) => JSON.stringify(input).includes('Good morning!')),
      true,
    )
  })
  it('can make no call in a request that allows none, and says so', async () => {
    const message = messageOf('Anybody there?')
    const asked = bench.hosts.ask('bootstrap', 'provide', { names: ['TIME'], message, state: {} }, request({ call: undefined }))
    await assert.rejects(asked, /can make no calls/)
  })
  it('stays below 110 MB at rest', async () => {
    const { memory_bytes: bytes, services } = await bench.hosts.ask('bootstrap', 'health', {}, request())
    assert.deepEqual([...services].toSorted(), ['embedding-generation', 'task'])
    assert.equal(bytes < 110_000_000, true, `${Math.round(bytes / 1e6)} MB`)
    console.log(`at rest: ${Math.round(bytes / 1e6)} MB`)
  })
})

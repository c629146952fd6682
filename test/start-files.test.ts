/** What a start of the guest loads, in the bundle that people have. Schemas are a third of it, so they come with the first call, see docs/decisions/2026-11-22-loaded-with-the-first.md. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'tsdown'
import configs from '../tsdown.config.ts'

const root = fileURLToPath(new URL('../src', import.meta.url))

/** Modules that are loaded with the guest, and how many characters of code they have; packages count as one module. */
const loaded = new Map<string, number>()

before(async () => {
  const guest = configs.find(({ entry }) => typeof entry === 'object' && 'guest' in entry)
  assert.ok(guest !== undefined, 'the build has a guest')
  const [bundle] = await build({ ...guest, config: false, write: false, clean: false, logLevel: 'error' })
  const chunks = new Map(bundle!.chunks.flatMap((chunk) => (chunk.type === 'chunk' ? [[chunk.fileName, chunk]] : [])))
  const found = new Set<string>(['guest.js'])
  // Without what is imported at run time: a set can grow while it is walked.
  for (const name of found) for (const other of chunks.get(name)?.imports ?? []) if (chunks.has(other)) found.add(other)
  for (const name of found) {
    for (const [file, { code }] of Object.entries(chunks.get(name)!.modules)) {
      const named = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? relative(root, file)
      loaded.set(named, (loaded.get(named) ?? 0) + lengthWithoutComments(code ?? ''))
    }
  }
})

/** The build that people get has no comments. A text that looks like one counts as one. */
function lengthWithoutComments(code: string): number {
  return code.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '').length
}

test('a start of the guest loads no schemas', () => {
  assert.ok(loaded.has('guest/guest.ts'), 'the modules are found')
  assert.equal(loaded.get('zod'), undefined)
})

test('a start of the guest loads little', () => {
  const size = [...loaded.values()].reduce((sum, length) => sum + length, 0)
  // What a guest of a cluster does otherwise has 10 000 (docs/decisions/2026-11-27-cluster.md).
  assert.ok(size < 608_000, `${size} characters of code`)
})

test('a start of the guest loads nothing of a cluster', () => {
  assert.deepEqual(
    [...loaded.keys()].filter((file) => /^cluster\/|nats|httpxy|lease-fence|store-place/.test(file)),
    [],
  )
})

test('a start takes of services only what they say of themselves', () => {
  const ofServices = [...loaded.keys()].filter((file) => file.startsWith('services/'))
  assert.ok(ofServices.includes('services/versions/service.ts'), 'the modules are found')
  assert.deepEqual(
    // And their sections of the configuration, and the names of their documents.
    ofServices.filter((file) => !/(?:^|\/)(?:list|service|config|limits|[\w-]+-record|index)\.ts$/.test(file)),
    [],
  )
})

test('what the sources start as a thread is there', () => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )
  const named = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/'(\.\/[\w/-]+-worker\.ts)'/g)].map(([, worker = '']) =>
      join(dirname(join(root, file)), worker),
    ),
  )
  assert.ok(named.length > 5, 'the threads are found')
  assert.deepEqual(
    named.filter((worker) => !existsSync(worker)),
    [],
  )
})

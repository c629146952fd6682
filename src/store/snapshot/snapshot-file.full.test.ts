import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { anything, embedAll, put, textSearch, vectorOf } from '../contract/memory-fixture.ts'
import { snapshotChanges } from '../limits.ts'
import { attachMemory } from '../memory/memory-source.ts'
import type { MemorySource, MemoryStore } from '../memory.ts'
import { convertFile } from '../secrets/file-encryption.ts'
import { ann, type StoreFolder, storeFolder } from '../store-fixture.ts'
import { readSnapshot, type SnapshotPlace } from './snapshot-file.ts'

const many = snapshotChanges + 100
const key = '11'.repeat(32)

function sourceOf({ path }: StoreFolder, masters?: readonly string[]): MemorySource {
  return { kind: 'sqlite', user: ann, path, ...(masters !== undefined && { cipher: { masters, required: true } }) }
}

function placeOf({ path }: StoreFolder, masters: readonly string[] | null = null): SnapshotPlace {
  return { path, user: ann, masters: () => masters }
}

function snapshotsOf({ folder }: StoreFolder): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.includes('.recall-'))
    .map((name) => join(folder, name))
}

async function fill(memory: MemoryStore, from = 0): Promise<void> {
  const words = (i: number): string => `common word${i} ${i % 7 === 0 ? 'seventh' : 'other'}|before${i % 5}`
  await memory.change([
    { change: 'model', model: 'm', dims: 2, state: 'active' },
    ...Array.from({ length: many }, (_, i) => put(`e${from + i}`, words(from + i))),
  ])
  await embedAll(memory, 'm', (text) => vectorOf(1, text.length % 5))
}

/** What several searches find, as a process finds it that has just started. */
async function found(files: StoreFolder, source = sourceOf(files)): Promise<readonly unknown[]> {
  const { memory, keep, close } = await attachMemory(source)
  const results: unknown[] = []
  for (const words of ['seventh', 'word5 before3', 'word105', 'common']) {
    const search = { ...textSearch(words), vector: { model: 'm', vector: vectorOf(1, 2), limit: 5 }, apart: 2 }
    results.push(await memory.search(search))
  }
  results.push(await memory.search({ ...textSearch('other'), filter: { ...anything, validAt: 1_900_000_000_000 } }))
  keep()
  await close()
  return results
}

test('a search that opens a snapshot finds what one finds that reads everything, also what changed since', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store.memory)
  assert.deepEqual(snapshotsOf(files), [])
  const whole = await found(files)
  const [file = ''] = snapshotsOf(files)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const written = readFileSync(file)
  assert.deepEqual(await found(files), whole)
  await store.memory.change([
    put('e3', 'seventh again'),
    { change: 'patch', id: 'e7', patch: { tags: ['x'], validTo: 5 } },
    put('new', 'seventh new', { stream: 'u' }),
  ])
  const after = await found(files)
  assert.notDeepEqual(after, whole)
  assert.deepEqual(readFileSync(file), written, 'few changes are not worth a file')
  rmSync(file)
  assert.deepEqual(await found(files), after)
})

test('a snapshot that is damaged, cut short, of another format, of another user or of another database is not used', async () => {
  await using files = storeFolder()
  await using others = storeFolder()
  const store = await files.open()
  await fill(store.memory)
  const whole = await found(files)
  const [file = ''] = snapshotsOf(files)
  const written = readFileSync(file)
  // Equal versions and equal numbers of passages, and other memories.
  const other = await others.open()
  await fill(other.memory, 1_000)
  await found(others)
  const foreign = readFileSync(snapshotsOf(others)[0] ?? '')
  const flipped = (at: number): Buffer => {
    const bytes = Buffer.from(written)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
  const bad = [Buffer.alloc(0), flipped(0), flipped(40), flipped(written.length - 9), written.subarray(0, written.length / 2), foreign]
  for (const bytes of bad) {
    writeFileSync(file, bytes)
    assert.deepEqual(await found(files), whole)
  }
  writeFileSync(file, written)
  assert.notEqual(readSnapshot(placeOf(files)), null)
  copyFileSync(file, `${files.path}.recall-${Buffer.from('bob').toString('hex')}`)
  assert.equal(readSnapshot({ ...placeOf(files), user: 'bob' as typeof ann }), null)
})

test('what was erased is in no snapshot, nor in a draft that a kill has left, also when it is written while somebody erases', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store.memory)
  await store.memory.change([put('secret', 'zanzibarix plain', { tags: ['zanzibarixtag'] })])
  await found(files)
  const [file = ''] = snapshotsOf(files)
  assert(readFileSync(file).includes('zanzibarix'), 'the word is not in the snapshot, so this proves nothing')
  copyFileSync(file, `${file}.killed.new`)
  const { memory, keep, close } = await attachMemory(sourceOf(files))
  await memory.search(textSearch('zanzibarix'))
  await store.memory.change([{ change: 'erase', id: 'secret' }])
  assert.deepEqual(snapshotsOf(files), [])
  // It holds the old version: what it writes is not left behind.
  keep()
  await close()
  const holds = (): boolean =>
    readdirSync(dirname(files.path)).some((name) => readFileSync(join(files.folder, name)).includes('zanzibarix'))
  assert(!holds())
  await found(files)
  assert.equal(snapshotsOf(files).length, 1)
  assert(!holds())
})

test('whoever searches after something was erased writes a snapshot without it, so that the next process opens one', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store.memory)
  await store.memory.change([put('secret', 'zanzibarix plain')])
  await found(files)
  const { memory, keep, close } = await attachMemory(sourceOf(files))
  await memory.search(textSearch('zanzibarix'))
  await store.memory.change([{ change: 'erase', id: 'secret' }])
  assert.deepEqual(snapshotsOf(files), [])
  await memory.search(textSearch('other'))
  keep()
  const [file = ''] = snapshotsOf(files)
  assert(!readFileSync(file).includes('zanzibarix'))
  // Not with each memory that is erased, since all of it is written.
  await store.memory.change([{ change: 'erase', id: 'e1' }])
  await memory.search(textSearch('other'))
  keep()
  assert.deepEqual(snapshotsOf(files), [])
  await close()
})

test('a snapshot of an encrypted database is encrypted, is opened with its key, and goes when the database is decrypted', async () => {
  await using files = storeFolder()
  const store = await files.open({ cipher: { masters: [key], required: true } })
  await fill(store.memory)
  await store.memory.change([put('secret', 'zanzibarix plain')])
  const whole = await found(files, sourceOf(files, [key]))
  const [file = ''] = snapshotsOf(files)
  assert(!readFileSync(file).includes('zanzibarix') && !readFileSync(file).includes('OXRECALL'))
  assert.notEqual(readSnapshot(placeOf(files, [key])), null)
  assert.notEqual(readSnapshot(placeOf(files, ['22'.repeat(32), key])), null)
  assert.equal(readSnapshot(placeOf(files, ['22'.repeat(32)])), null)
  assert.deepEqual(await found(files, sourceOf(files, [key])), whole)
  await store.close()
  convertFile({ path: files.path, cipher: { masters: [key], required: true }, to: null })
  assert.deepEqual(snapshotsOf(files), [])
  assert.deepEqual(await found(files), whole)
})

test('whoever is killed while writing a snapshot leaves an old one, a whole one or none', { timeout: 120_000 }, async () => {
  await using files = storeFolder()
  const store = await files.open()
  await fill(store.memory)
  const whole = await found(files)
  const [file = ''] = snapshotsOf(files)
  for (let round = 0; round < 8; round++) {
    if (round % 2 === 0) rmSync(file, { force: true })
    const child = spawn(process.execPath, [new URL('../../../test/recovery/snapshot-writer.ts', import.meta.url).pathname, files.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await new Promise((resolve) => void setTimeout(resolve, round * 3))
    child.kill('SIGKILL')
    await once(child, 'exit')
    assert.deepEqual(await found(files), whole)
    if (existsSync(file)) assert.notEqual(readSnapshot(placeOf(files)), null)
  }
})

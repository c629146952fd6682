import assert from 'node:assert/strict'
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import type { StoreVerifyReport, VacuumReport } from '../../config/index.ts'
import { assertRejects, storeFolder, type StoreFolder, tamper } from '../store-fixture.ts'
import { ask, fillStore, placeIn } from '../transfer/transfer-fixture.ts'

async function filled(files: StoreFolder, count = 60): Promise<void> {
  const store = await files.open()
  await fillStore(store, count)
  await store.close()
}

test('a store without fault is said to be without fault, also while a guest uses it', async () => {
  await using files = storeFolder()
  await filled(files)
  const guest = await files.open({ exclusive: true })
  await guest.opened()
  const report = await ask<StoreVerifyReport>(placeIn(files.folder), { ask: 'verify' })
  assert.deepEqual([report.ok, report.problems], [true, []])
  assert.deepEqual(report.checked, ['pages', 'references', 'blobs', 'memory', 'journal'])
})

const faults: readonly { readonly what: string; readonly statements: readonly string[]; readonly says: RegExp }[] = [
  { what: 'a record that was changed', statements: [`update journal set actor = 'x' where seq = 9`], says: /^journal: record 9/ },
  { what: 'a record that is missing', statements: ['delete from journal where seq = 5'], says: /1 rows of message name rows of journal/ },
  {
    what: 'a blob that was changed',
    statements: [`update blob set bytes = x'01' where rowid = 1`],
    says: /^blobs: [0-9a-f]{64} was changed/,
  },
  {
    what: 'a passage without its entry',
    statements: ['delete from memory_entry where "key" = 3'],
    says: /memory_passage name rows of memory_entry/,
  },
  { what: 'vectors without their model', statements: ['delete from memory_model'], says: /memory_vectors name rows of memory_model/ },
  { what: 'an entry without its passages', statements: ['delete from memory_passage where entry = 2'], says: /1 entries have no passage/ },
]

for (const { what, statements, says } of faults) {
  test(`verifying names ${what}, and says what to do`, async () => {
    await using files = storeFolder()
    await filled(files)
    tamper(files.path, ...statements)
    const { ok, problems } = await ask<StoreVerifyReport>(placeIn(files.folder), { ask: 'verify' })
    assert.equal(ok, false)
    const found = problems.find((problem) => says.test(problem.what))
    assert.ok(found, JSON.stringify(problems))
    assert.match(found.todo, /oxbow/)
  })
}

test('verifying names pages that were half written', async () => {
  await using files = storeFolder()
  await filled(files, 300)
  const file = openSync(files.path, 'r+')
  writeSync(file, new Uint8Array(8_192).fill(0xa5), 0, 8_192, Math.floor(statSync(files.path).size / 8_192) * 4_096)
  closeSync(file)
  const { ok, problems } = await ask<StoreVerifyReport>(placeIn(files.folder), { ask: 'verify' })
  assert.equal(ok, false)
  assert.ok(
    problems.some(({ what }) => what.startsWith('pages: ')),
    JSON.stringify(problems),
  )
  assert.ok(problems.every(({ todo }) => todo.includes('oxbow')))
})

test('after much was removed the room goes back to the disk, with figures', async () => {
  await using files = storeFolder()
  await filled(files, 300)
  tamper(files.path, 'delete from blob', 'delete from message', 'delete from journal where seq > 100')
  const { bytesBefore, bytesAfter } = await ask<VacuumReport>(placeIn(files.folder), { ask: 'vacuum' })
  assert.ok(bytesAfter < bytesBefore * 0.8, `${bytesBefore} ${bytesAfter}`)
  assert.equal(statSync(files.path).size, bytesAfter)
})

test('where there is no store every question says so and makes none', async () => {
  await using files = storeFolder()
  for (const question of ['status', 'verify', 'vacuum'] as const) {
    await assertRejects(ask(placeIn(files.folder), { ask: question }), 'not_found', /There is no store/)
  }
  await assertRejects(ask(placeIn(files.folder), { ask: 'backup', path: '' }), 'not_found')
  assert.throws(() => statSync(files.path))
})

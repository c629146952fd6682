/** What an audit finds of memory that was changed without the journal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entryOf, itemOf, put } from '../../store/contract/memory-fixture.ts'
import { recordOf } from '../../store/store-contract.ts'
import { storeFolder, tamper } from '../../store/store-fixture.ts'
import type { MemoryChange, MemoryEntry, Store } from '../../store/index.ts'
import { verifyJournal } from './audit-verify.ts'

const entry = (id: string, kind: MemoryEntry['kind'], more: Partial<MemoryEntry> = {}, text = `text of ${id}`): MemoryChange => ({
  change: 'put',
  item: itemOf(entryOf(id, { kind, ...more }), text),
})

async function fill(store: Store): Promise<void> {
  await store.append({ records: [recordOf('a', 'refused')] })
  await store.memory.change([
    entry('n1', 'note', { labels: ['private', 'untrusted'] }),
    entry('n2', 'fact', { tags: ['tag'] }),
    entry('d1', 'document', { author: '/shared/plan.md' }),
    entry('m1', 'message', { labels: ['untrusted'], session: '0192f0a0-0000-7000-8000-00000000000a' as never, seq: 1 }),
  ])
  await store.memory.change([{ change: 'patch', id: 'n2', patch: { validTo: 9, labels: ['private'] } }])
}

async function problems(files: ReturnType<typeof storeFolder>): Promise<readonly string[]> {
  const reading = await files.open({ readOnly: true })
  const { ok, first_bad: bad, projections } = await verifyJournal(reading, { seal: null })
  assert.deepEqual([ok, bad], [projections.length === 0, null])
  return projections
}

async function filled(): Promise<ReturnType<typeof storeFolder>> {
  const files = storeFolder()
  const store = await files.open()
  await fill(store)
  await store.close()
  return files
}

const other = (id: string): string => `the memory ${id} has another text, labels, author or dates than the journal says`
const harms: readonly [what: string, statement: string, says: readonly string[]][] = [
  ['labels cleared', `update memory_entry set labels = ''`, ['d1', 'm1', 'n1', 'n2'].filter((id) => id !== 'd1').map(other)],
  ['an author', `update memory_entry set author = 'user:default' where id = 'd1'`, [other('d1')]],
  ['tags', `update memory_entry set tags = '' where id = 'n2'`, [other('n2')]],
  ['an end of its time', `update memory_entry set valid_to = null where id = 'n2'`, [other('n2')]],
  ['a hash', `update memory_entry set hash = 'x' where id = 'm1'`, [other('m1')]],
  [
    'passages',
    `update memory_passage set body = (select body from memory_passage where entry = (select "key" from memory_entry where id = 'n2')) where entry = (select "key" from memory_entry where id = 'n1')`,
    [other('n1')],
  ],
  ['a note removed', `delete from memory_entry where id = 'n1'`, ['a memory that record 2 left is missing']],
  ['a passage removed', `delete from memory_passage where entry = (select "key" from memory_entry where id = 'n1')`, [other('n1')]],
  [
    'an id',
    `update memory_entry set id = 'n9' where id = 'n1'`,
    ['the journal knows nothing of the memory n9', 'a memory that record 2 left is missing'],
  ],
]

for (const [what, statement, says] of harms) {
  test(`memory changed without the journal is named: ${what}`, async () => {
    await using files = await filled()
    assert.deepEqual(await problems(files), [])
    tamper(files.path, statement)
    assert.deepEqual((await problems(files)).toSorted(), says.toSorted())
  })
}

test('a row that Oxbow itself changes later still shows what was done to it without the journal', async () => {
  await using files = await filled()
  tamper(files.path, `update memory_entry set labels = '' where id = 'n1'`)
  const store = await files.open()
  await store.memory.change([{ change: 'patch', id: 'n1', patch: { tags: ['new'] } }])
  await store.close()
  assert.deepEqual(await problems(files), ['a memory that record 2 left was changed or removed, and record 4 found it so'])
})

test('memories of an older version are taken as they are, once; a message of that time has no mark', async () => {
  await using files = storeFolder()
  const store = await files.open()
  await store.append({ records: [recordOf('a', 'refused')] })
  await store.memory.change([entry('old', 'note'), entry('said', 'message', { seq: 1 })])
  await store.close()
  tamper(files.path, `delete from journal where name = 'memory.rows'`)
  assert.deepEqual(await problems(files), [])
  const again = await files.open()
  await again.memory.change([entry('new', 'note')])
  await again.close()
  assert.deepEqual(await problems(files), [])
  tamper(files.path, `update memory_entry set author = 'else'`)
  assert.deepEqual((await problems(files)).toSorted(), ['new', 'old'].map(other))
})

test('marks that are gone are named, and nothing is judged by those that are left', async () => {
  await using files = await filled()
  const store = await files.open()
  await store.erase([2], 'no reason')
  await store.close()
  const [said, ...others] = await problems(files)
  assert.deepEqual([said, others], ['record 2 told what memory holds, and its body is gone', []])
})

test('all that memory does is told: what is put, patched, erased and put again verifies', async () => {
  await using files = await filled()
  const store = await files.open()
  for (let i = 0; i < 20; i++) {
    await store.memory.change([
      put(`p${i}`, `text ${i}`),
      { change: 'patch', id: 'n1', patch: { tags: [`t${i}`] } },
      { change: 'erase', id: `p${i - 3}` },
    ])
    if (i % 5 === 0) await store.memory.change([entry('n1', 'note', {}, `again ${i}`), { change: 'erase', id: 'n2' }, entry('n2', 'fact')])
  }
  assert.deepEqual((await verifyJournal(store, { seal: null })).projections, [])
  await store.close()
  assert.deepEqual(await problems(files), [])
})

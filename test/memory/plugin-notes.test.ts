/** Notes of plugins from before a note had its plugin as its author: a guest that starts gives them their author, once, and on record. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { verifyJournal } from '../../src/services/audit/audit-verify.ts'
import { createHasher, type MemoryEntry, openMemoryStore, type Store } from '../../src/store/index.ts'
import { entryOf, itemOf } from '../../src/store/contract/memory-fixture.ts'
import { recordOf } from '../../src/store/store-contract.ts'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { userCaller } from '../../src/kernel/policy/policy.ts'
import { createTransfer } from '../../src/memory/keep/transfer.ts'
import { openMemoryOver } from './memory-fixture.ts'

const person = userCaller(user, '', '')

const hash = await createHasher()

/** As it was stored. */
function olderNote(id: string, extra: object, more: Partial<MemoryEntry> = {}): ReturnType<typeof itemOf> {
  const text = `text of ${id}`
  const facts = { kind: 'note', author: 'user', protection: 'medium', extra: JSON.stringify(extra), hash: hash(text) } as const
  return itemOf(entryOf(id, { ...facts, ...more }), text)
}

const ofPlugin = { call: 'call-1', actor: 'plugin:weather', session: '', turn: '' }
const promoted = { by: 'user:ada', at: 1 }

async function emptyStore(context: TestContext): Promise<Store> {
  const store = await openMemoryStore({ user })
  context.after(() => store.close())
  return store
}

async function olderStore(context: TestContext): Promise<Store> {
  const store = await emptyStore(context)
  await store.append({ records: [recordOf('a', 'refused')] })
  const items = [
    olderNote('plain', ofPlugin, { tags: ['plugin.weather'] }),
    olderNote('private', ofPlugin, { labels: ['private'] }),
    olderNote('vouched', { ...ofPlugin, promoted }),
    olderNote('person', { ...ofPlugin, actor: 'user:ada' }),
    olderNote('agent', { ...ofPlugin, actor: 'agent:main' }, { author: 'agent' }),
    olderNote('unknown', {}),
  ]
  await store.memory.change(items.map((item) => ({ change: 'put', item })))
  return store
}

async function shown(store: Store): Promise<object> {
  const entries = await store.memory.list({}, 100)
  return Object.fromEntries(entries.map(({ id, author, labels, protection }) => [id, `${author} [${labels.join()}] ${protection}`]))
}

void test('a start gives notes of plugins their author and the label untrusted, and leaves all others as they are', async (context) => {
  const store = await olderStore(context)
  const memory = openMemoryOver(store)
  await memory.caughtUp()
  assert.deepEqual(await shown(store), {
    plain: 'plugin:weather [untrusted] none',
    private: 'plugin:weather [private,untrusted] none',
    vouched: 'plugin:weather [] none',
    person: 'user [] medium',
    agent: 'agent [] medium',
    unknown: 'user [] medium',
  })
  const [found] = await store.memory.items(['plain'])
  assert.deepEqual([found?.entry.tags, found?.passages.map(({ text }) => text)], [['plugin.weather'], ['text of plain']])
  await memory.close()
  const { ok, projections } = await verifyJournal(store, { seal: null })
  assert.deepEqual([ok, projections], [true, []], 'each change has its mark in the journal')
})

void test('the notes are read once in the life of a store', async (context) => {
  const store = await olderStore(context)
  const lists: string[] = []
  const watched: Store = Object.assign(Object.create(store) as Store, {
    memory: Object.assign(Object.create(store.memory) as Store['memory'], {
      list: (...args: Parameters<Store['memory']['list']>) => {
        lists.push(JSON.stringify(args[0]))
        return store.memory.list(...args)
      },
    }),
  })
  for (const expected of [1, 1]) {
    const memory = openMemoryOver(watched)
    await memory.caughtUp()
    await memory.close()
    assert.equal(lists.filter((filter) => filter === '{"kinds":["note"]}').length, expected)
  }
})

void test('an export of an older version is imported with the author of its notes', async (context) => {
  const older = await olderStore(context)
  const store = await emptyStore(context)
  // The lines of an export are what is stored: nothing has been mended there.
  const { lines } = await createTransfer({ memory: older.memory } as never).exportPage('', person)
  const memory = openMemoryOver(store)
  const { added } = await (await memory.transfer()).importLines(lines, { overwrite: false, untrusted: false }, person)
  assert.equal(added, 6)
  const [plain] = await store.memory.items(['plain'])
  assert.deepEqual([plain?.entry.author, plain?.entry.labels], ['plugin:weather', ['untrusted']])
  const { unchanged } = await (await memory.transfer()).importLines(lines, { overwrite: false, untrusted: false }, person)
  assert.equal(unchanged, 6, 'the same export again has nothing new')
  await memory.close()
})

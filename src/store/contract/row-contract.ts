/** What every Store must keep of documents and of budgets. */
import assert from 'node:assert/strict'
import type { NewRecord, Phase } from '../../protocol/index.ts'
import type { Store } from '../store.ts'

type Case = (title: string, check: (store: Store) => Promise<void>) => void
type MakeRecord = (call: string, phase: Phase, more?: Partial<NewRecord>) => NewRecord

export function describeRows(holds: Case, recordOf: MakeRecord): void {
  const set = (category: string, name: string, body: string | null, record = 0) =>
    ({ kind: 'document', category, name, body, record }) as const

  holds('a document is what the newest record set, and goes when one deletes it', async (store) => {
    await store.append({ records: [recordOf('a', 'outcome'), recordOf('b', 'outcome')], projections: [set('notes', 'x', '{"n":1}', 1)] })
    const row = await store.document('notes', 'x')
    assert.deepEqual({ ...row, at: 0 }, { category: 'notes', name: 'x', body: '{"n":1}', seq: 2, at: 0 })
    await store.append({ records: [recordOf('c', 'outcome')], projections: [set('notes', 'x', '{"n":2}')] })
    assert.equal((await store.document('notes', 'x'))?.body, '{"n":2}')
    await store.append({
      records: [recordOf('d', 'outcome'), recordOf('e', 'outcome')],
      projections: [set('notes', 'x', null), set('notes', 'x', '{"n":3}', 1), set('notes', 'y', '{}'), set('notes', 'y', null, 1)],
    })
    assert.equal((await store.document('notes', 'x'))?.body, '{"n":3}')
    assert.equal(await store.document('notes', 'y'), null)
    assert.equal(await store.document('other', 'x'), null)
  })

  holds('the documents of a category are read in pages, by name', async (store) => {
    const names = ['B', 'a', 'b', 'ä', '漢']
    await store.append({ records: [recordOf('a', 'outcome')], projections: names.map((name) => set('notes', name, '{}')) })
    await store.append({ records: [recordOf('b', 'outcome')], projections: [set('other', 'a', '{}')] })
    const page = async (after: string, limit: number) =>
      (await store.documents({ category: 'notes', ...(after !== '' && { after }), limit })).map(({ name }) => name)
    assert.deepEqual(await page('', 10), names)
    assert.deepEqual(await page('', 2), ['B', 'a'])
    assert.deepEqual(await page('a', 2), ['b', 'ä'])
    assert.deepEqual(await store.documentCategories(), ['notes', 'other'])
  })

  holds('an erased record takes the documents with it that it set last', async (store) => {
    await store.append({ records: [recordOf('a', 'outcome')], projections: [set('notes', 'x', '"s3cret"'), set('notes', 'y', '1')] })
    await store.append({ records: [recordOf('b', 'outcome')], projections: [set('notes', 'y', '2')] })
    await store.erase([1], 'asked by ann')
    assert.equal(await store.document('notes', 'x'), null)
    assert.equal((await store.document('notes', 'y'))?.body, '2')
  })

  holds('the use of a budget adds up within its window, and begins anew with a later one', async (store) => {
    const use = (since: number, tokens: number) => {
      const what = { since, microDollars: tokens * 2, tokens, calls: 1, ms: 5 }
      return { kind: 'use', budget: 'user/day', use: what } as const
    }
    await store.append({ records: [], projections: [use(10, 1), use(10, 2)] })
    await Promise.all([1, 2].map((n) => store.append({ records: [], projections: [use(10, n)] })))
    assert.deepEqual(await store.used('user/day'), { since: 10, microDollars: 12, tokens: 6, calls: 4, ms: 20 })
    // The earlier window is over: what is counted late is not counted.
    await store.append({ records: [], projections: [use(10, 1), use(20, 7), use(10, 9), use(20, 1)] })
    assert.deepEqual(await store.used('user/day'), { since: 20, microDollars: 16, tokens: 8, calls: 2, ms: 10 })
    await store.append({ records: [], projections: [use(30, 4)] })
    assert.deepEqual(await store.used('user/day'), { since: 30, microDollars: 8, tokens: 4, calls: 1, ms: 5 })
    assert.equal(await store.used('other'), null)
  })
}

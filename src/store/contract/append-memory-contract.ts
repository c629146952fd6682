/** Records and changes of memory of one append are committed together. */
import assert from 'node:assert/strict'
import type { CallId } from '../../base/index.ts'
import type { NewRecord } from '../../protocol/index.ts'
import { marksCall } from '../memory/memory-marks.ts'
import type { Store } from '../store.ts'
import { type MemoryCase, put } from './memory-fixture.ts'

function record(call: string, phase: NewRecord['phase'] = 'exchange'): NewRecord {
  return { at: 1, actor: 'user:ann', session: '', turn: '', call: call as CallId, name: 'version.undo', phase, body: '{"documents":[]}' }
}

const setsDocument = { kind: 'document', category: 'state/c', name: 'd', body: '1', record: 0 } as const

async function found(store: Store): Promise<readonly unknown[]> {
  const [items, document, records] = await Promise.all([
    store.memory.items(['a']),
    store.document('state/c', 'd'),
    store.records({ order: 'oldest_first', limit: 100, hydrate: true }),
  ])
  return [items.length, document?.body ?? null, records.map(({ name }) => name)]
}

export function describeAppendedMemory(holds: MemoryCase): void {
  holds('an append sets a document and changes memory in one commit, with a mark behind its own record', async (_, { store }) => {
    const { firstSeq } = await store.append({ records: [record('c1')], projections: [setsDocument], memory: [put('a', 'apples')] })
    assert.equal(firstSeq, 1)
    assert.deepEqual(await found(store), [1, '1', ['version.undo', marksCall]])
    await store.append({ records: [record('c2')], memory: [{ change: 'erase', id: 'a' }] })
    assert.deepEqual((await store.memory.items(['a'])).length, 0)
  })

  holds('an append that is refused changes no memory, and one whose memory cannot be stored writes nothing', async (_, { store }) => {
    await store.append({ records: [record('c1', 'intent')] })
    const again = await store.append({ records: [record('c1', 'intent')], projections: [setsDocument], memory: [put('a', 'apples')] })
    assert.equal(again.duplicate, true)
    assert.deepEqual(await found(store), [0, null, ['version.undo']])
    const vectors = { model: 'none', vectors: [new Float32Array(3)] }
    const unfit = put('a', 'apples')
    assert.ok(unfit.change === 'put')
    const withVectors = { change: 'vectors', model: vectors.model, vectors: [{ passage: 1, vector: vectors.vectors[0]! }] } as const
    const refused = store.append({ records: [record('c2')], projections: [setsDocument], memory: [unfit, withVectors] })
    await assert.rejects(refused, /model/)
    assert.deepEqual(await found(store), [0, null, ['version.undo']])
  })
}

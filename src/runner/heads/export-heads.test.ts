import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId } from '../../base/index.ts'
import type { Phase } from '../../protocol/index.ts'
import { createExportHeads } from './export-heads.ts'

const hashOf = (seq: number): string => String(seq).padStart(64, 'a')
const head = (seq: number, more: object = {}): string => JSON.stringify({ seq, hash: hashOf(seq), at: 1, signature: 's', ...more })
const record = (seq: number, name = 'time.now') => ({
  seq,
  hash: hashOf(seq),
  previous: hashOf(seq - 1),
  call: 'c' as CallId,
  name,
  phase: 'intent' as Phase,
})

function missing(heads: readonly string[], records: readonly ReturnType<typeof record>[], after = 0): unknown {
  const watch = createExportHeads({ lines: heads }, after)
  records.forEach((each) => watch.take(each))
  return watch.missing().map(({ seq, isOther }) => [seq, isOther])
}

test('a head behind the end of the journal is missing, and one with another record in its place', () => {
  const records = [1, 2, 3].map((seq) => record(seq))
  assert.deepEqual(missing([head(1), head(3)], records), [])
  assert.deepEqual(missing([head(1), head(3), head(5)], records), [[5, false]])
  assert.deepEqual(missing([head(2, { hash: hashOf(9) }), 'no head'], records), [[2, true]])
  assert.deepEqual(missing([head(2), head(5)], records.slice(2), 2), [[5, false]], 'what is before a part is not asked for')
})

test('a restore replaces the heads before it once the journal tells of it', () => {
  const restored = head(2, { restore: { call: 'c' } })
  const heads = [head(1), head(7), restored]
  assert.deepEqual(missing(heads, [record(1), record(2), record(3, 'store.restore')]), [])
  assert.deepEqual(missing(heads, [record(1), record(2), record(3)]), [[7, false]])
  assert.deepEqual(missing(heads, [record(5)], 4), [], 'of a restore before a part, only its head is known')
})

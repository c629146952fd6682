import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatMoney, formatMs, shortId, table } from './text-format.ts'

void test('a short id names one session of the list, or is whole', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.stringMatching(/^01a1fc9e-[01a-]{1,6}$/), { maxLength: 20 }), (ids) => {
      for (const id of ids) {
        const short = shortId(id, ids)
        assert.ok(id.startsWith(short))
        if (short !== id) assert.equal(ids.filter((other) => other.startsWith(short)).length, 1)
      }
    }),
  )
})

void test('times and money read as people write them', () => {
  assert.deepEqual([3, 999.4, 1_500, 61_000].map(formatMs), ['3 ms', '999 ms', '1.5 s', '1 min 1 s'])
  assert.deepEqual([0, 42, 1_234_567].map(formatMoney), ['$0.00', '$0.000042', '$1.23'])
})

void test('columns are as wide as their widest cell', () => {
  assert.equal(
    table([
      ['a', 'bbb'],
      ['cc', ''],
    ]),
    'a   bbb\ncc',
  )
})

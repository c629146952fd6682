import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StoredLease } from '../../store/index.ts'
import type { LeaseNote } from '../notes.ts'
import { leaseFindings } from './verify-cluster.ts'

const note = (changes: Partial<LeaseNote>): ReadonlyMap<string, LeaseNote> =>
  new Map([['ann', { node: 'a', url: 'http://a', epoch: 7, state: 'ready', ...changes }]])
const row = (changes: Partial<StoredLease>): readonly StoredLease[] => [{ user: 'ann', term: 1, epoch: 7, node: 'a', ...changes }]
const details = (stored: readonly StoredLease[], leases: ReadonlyMap<string, LeaseNote>): readonly string[] =>
  leaseFindings(1, stored, leases).map(({ detail }) => detail)

test('a guest that serves has the newest lease that has written', () => {
  assert.deepEqual(details(row({}), note({})), [])
  // Between two guests.
  assert.deepEqual(details(row({ epoch: 9, node: 'b' }), note({ state: 'stopping' })), [])
  assert.deepEqual(details(row({ epoch: 9, node: 'b' }), note({})), ['a serves under the lease 7, and b has written under the newer 9'])
  assert.deepEqual(details(row({ term: 2, epoch: 1, node: 'b' }), note({})), [
    'a serves under the lease 7, and b has written under the newer 1',
  ])
  assert.match(details(row({ epoch: 3 }), note({}))[0]!, /it serves another database/)
  assert.match(details([], note({}))[0]!, /nobody has claimed one/)
})

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openMemoryStore, plainSession } from '../../store/index.ts'
import { user } from '../kernel-fixture.ts'
import type { SessionId } from '../../base/index.ts'
import { createSessions, firstLine } from './sessions.ts'

it('labels of a conversation survive a reload of its row', async () => {
  const store = await openMemoryStore({ user })
  const id = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId
  await store.append({
    records: [],
    projections: [{ kind: 'session', session: { ...plainSession, id, title: 'T', createdAt: 1, activeAt: 1 } }],
  })
  const sessions = createSessions(store)
  assert.deepEqual(sessions.held({ session: id }), ['private', 'untrusted'], 'of one that nobody has read it may be anything')
  assert.deepEqual(sessions.held({ session: '' }), [])
  await sessions.load(id)
  // Not in the store yet: it is written with the next record.
  sessions.join({ session: id }, ['private'])
  sessions.forget(id)
  assert.deepEqual(sessions.held({ session: id }), ['private'], 'also while it is being read')
  await sessions.load(id)
  assert.deepEqual(sessions.held({ session: id }), ['private'])
  assert.equal(sessions.takeChanged(id)?.labels, 'private')
  await store.close()
})

it('a truncated title does not split a character', () => {
  const title = firstLine(`${'x'.repeat(58)}🐂🐂🐂`)
  assert.equal(title, `${'x'.repeat(58)}…`)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { createChangedTurns } from './changed-turns.ts'
import { createChangeOwners } from './change-owners.ts'
import { createWatchedChanges } from './watched-changes.ts'
import type { Committed } from './version-schemas.ts'

test('a program of a person is over even where its changes cannot be committed', async (t) => {
  t.mock.method(console, 'error', () => {})
  const store = { records: async () => [], session: async () => null }
  const owners = createChangeOwners({ folder: '/nowhere', isOn: false, user: 'ada' as never, store, clock: { now: () => 0 } as never })
  const turns = createChangedTurns({
    sandbox: createFakeSandbox(),
    background: { run: async () => null },
    events: { onTurnEnd: () => {} },
    onCommitted: () => {},
  })
  const done: Committed = { commit: null, changed: false, files: 0, state: [] }
  let commits = 0
  const sync = async (_: readonly string[] = [], onCommitted: () => void = () => {}): Promise<Committed> => {
    commits += 1
    if (commits > 1) throw new Error('the disk is full')
    onCommitted()
    return done
  }
  const watched = createWatchedChanges({
    versions: async () => null,
    owners,
    turns,
    isIgnored: () => false,
    isStrict: false,
    commit: async () => done,
    sync,
  })
  const change = { kind: 'any', also: [], goesOn: false } as const
  await watched.any(
    { turn: '', session: '', actor: 'user:ada' },
    change,
    (work) => work,
    async () => {
      assert.ok(owners.isShared(), 'it runs')
    },
  )
  assert.equal(commits, 2)
  assert.equal(owners.isShared(), false)
})

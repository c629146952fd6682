/** What becomes of the file that a store was moved from, without a database to move to. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { assertRejects, storeFolder } from '../store-fixture.ts'
import { prepareStore } from '../upkeep/on-demand.ts'
import { movedNote } from './store-move.ts'
import { placeIn } from './transfer-fixture.ts'

test('a file whose store was moved away is refused once the other store was used, with a way on', async () => {
  await using files = storeFolder()
  const file = placeIn(files.folder)
  const moved = { ...file, url: 'postgres://u@h/d' }
  const note = (): { isUsed: boolean } => JSON.parse(readFileSync(movedNote(file), 'utf8')) as { isUsed: boolean }
  await prepareStore(file)
  writeFileSync(movedNote(file), JSON.stringify({ to: 'postgres://u@h/d', at: 0, isUsed: false }))
  // Nobody has configured the other one yet.
  await prepareStore(file)
  assert.equal(note().isUsed, false)
  await prepareStore(moved)
  assert.equal(note().isUsed, true)
  await prepareStore(moved)
  await assertRejects(prepareStore(file), 'bad_config', /moved to postgres:\/\/u@h\/d on 1970-01-01 and used there/)
  assert.equal(existsSync(movedNote(file)), true)
})

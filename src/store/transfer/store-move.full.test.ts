import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { OxbowError, UserId } from '../../base/index.ts'
import type {
  BackupReport,
  MigrateReport,
  MoveReport,
  RestoreReport,
  StoreStatus,
  StoreVerifyReport,
  VacuumReport,
} from '../../config/index.ts'
import { newestStep } from '../migrations/schema-version.ts'
import { openPostgresStore } from '../postgres/postgres-store.ts'
import { pgvectorSkip, postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import { recordOf } from '../store-contract.ts'
import { assertRejects, storeFolder, type StoreFolder } from '../store-fixture.ts'
import type { StorePlace } from '../upkeep/connection.ts'
import { prepareStore } from '../upkeep/on-demand.ts'
import { ask, depsOf, fillStore, openAt, placeIn } from './transfer-fixture.ts'

const skip = postgresSkip()
const postgres = usePostgres()

async function filled(files: StoreFolder, count = 60): Promise<StorePlace> {
  const store = await files.open()
  await fillStore(store, count)
  await store.close()
  return placeIn(files.folder)
}

/** What a person would look for: the store goes on, history and memory are found. */
async function assertWorks(place: StorePlace, seq: number): Promise<void> {
  const store = await openAt(place)
  try {
    assert.equal((await store.head()).seq, seq)
    const found = await store.memory.search({
      filter: { tags: ['t1'] },
      text: { terms: ['ox', 'pulls'], contextWeight: 0.5, limit: 50 },
      vector: { model: 'm', vector: new Float32Array([1, 3, 0.1, -1]), limit: 3 },
    })
    assert.deepEqual([found.text.length, found.vector.length], [13, 3])
    assert.deepEqual(await store.spent('user'), { microDollars: 60, tokens: 120 })
    assert.equal((await store.append({ records: [recordOf('on', 'refused')] })).firstSeq, seq + 1)
  } finally {
    await store.close()
  }
}

test('a file moves to Postgres and back; both sides are compared, and the source stays as it was', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const place = await filled(files)
  const before = readFileSync(files.path)
  const there = await ask<MoveReport>(place, { ask: 'move', to: database.url })
  assert.deepEqual(readFileSync(files.path), before)
  assert.equal(there.rows['journal'], 67)
  assert.equal(there.rows['memory_passage'], 40)
  assert.equal(there.resumed, false)
  assert.match(there.configure, /^store\.url = "postgres:/)
  assert.deepEqual(await database.sql('select * from move_cursor'), [])
  const far = { ...place, url: database.url }
  await assertWorks(far, 67)
  await using home = storeFolder()
  const back = await ask<MoveReport>({ ...placeIn(home.folder), url: database.url }, { ask: 'move', to: 'file' })
  assert.equal(back.rows['journal'], 68)
  await assertWorks(placeIn(home.folder), 68)
  assert.equal((await ask<StoreVerifyReport>(far, { ask: 'verify' })).ok, true)
})

test('a database without a row of the user is refused while the store is in the file, which moves there then', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const file = await filled(files)
  // As whoever has set store.url first, or for another user of the home.
  const place = { ...file, url: database.url.replace('@', ':secret@') }
  await assert.rejects(prepareStore(place), (error: OxbowError) => {
    assert.equal(error.code, 'bad_config')
    assert.match(error.message, /is in .*oxbow\.db still, and postgres:.* has nothing of it/)
    assert.match(error.hint, /^Move it: oxbow store move postgres:\S+ --user ann\./)
    assert.ok(!error.hint.includes('secret'))
    return true
  })
  // Without the password, as the hint has it.
  const { rows } = await ask<MoveReport>(place, { ask: 'move', to: database.url })
  assert.equal(rows['journal'], 67)
  await prepareStore(place)
  await assertWorks({ ...place, url: database.url }, 67)
  await assertRejects(ask(place, { ask: 'move', to: database.url }), 'bad_input', /already there/)
})

test('a store comes back to the workspace that it was moved from, and the old file is kept', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const file = await filled(files)
  await ask(file, { ask: 'move', to: database.url })
  const place = { ...file, url: database.url }
  await assertWorks(place, 67)
  await assert.rejects(ask(place, { ask: 'move', to: 'file' }), (error) => {
    assert.match(String((error as { hint?: string }).hint), /store move file --replace/)
    return true
  })
  const { kept } = await ask<MoveReport>(place, { ask: 'move', to: 'file', replace: true })
  assert.ok(kept !== null && existsSync(kept))
  await assertWorks(file, 68)
  await assertWorks({ ...file, file: kept }, 67)
})

test('a move that was stopped goes on where it stopped; one whose source was written since begins anew', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const place = await filled(files)
  const stopAt = (table: string) => ({
    tell: (what: string) => {
      if (what === table) throw new Error('planted')
    },
  })
  await assert.rejects(ask(place, { ask: 'move', to: database.url }, stopAt('session')), /planted/)
  const [journal] = await database.sql<{ rows: string }>('select count(*) as rows from journal')
  assert.equal(Number(journal?.rows), 67)
  // Half of it is no store: neither is it taken for one, nor is it moved into by others.
  const resumed = await ask<MoveReport>(place, { ask: 'move', to: database.url })
  assert.deepEqual([resumed.resumed, resumed.rows['session']], [true, 6])
  await assertRejects(ask(place, { ask: 'move', to: database.url }), 'bad_input', /already has rows of this user/)

  await using other = await postgres.database()
  await assert.rejects(ask(place, { ask: 'move', to: other.url }, stopAt('comparing journal')), /planted/)
  const store = await files.open()
  await store.append({ records: [recordOf('since', 'refused')] })
  await store.close()
  const anew = await ask<MoveReport>(place, { ask: 'move', to: other.url })
  assert.deepEqual([anew.resumed, anew.rows['journal']], [false, 68])

  // What changed since is no record of the journal: the comparison finds it, and then the move begins anew.
  await using third = await postgres.database()
  await assert.rejects(ask(place, { ask: 'move', to: third.url }, stopAt('comparing journal')), /planted/)
  const again = await files.open()
  await again.memory.change([{ change: 'patch', id: 'e1', patch: { accesses: 7 } }])
  await again.close()
  await assertRejects(ask(place, { ask: 'move', to: third.url }), 'store_failed', /The copy differs/)
  assert.equal((await ask<MoveReport>(place, { ask: 'move', to: third.url })).resumed, false)
})

test('a row that does not arrive as it was is found by the comparison', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const place = await filled(files)
  // The tables are made; then a trigger stands in the way, as a database of others may have.
  const stop = { tell: (what: string) => what === 'message' && assert.fail('planted') }
  await assert.rejects(ask(place, { ask: 'move', to: database.url }, stop as object), /planted/)
  await database.sql(`create function spoil() returns trigger as $$ begin new.title := 'x'; return new; end $$ language plpgsql`)
  await database.sql('create trigger spoil before insert on session for each row execute function spoil()')
  await assertRejects(ask(place, { ask: 'move', to: database.url }), 'store_failed', /table session/)
})

test('users of one database move in and out independently', { skip }, async () => {
  await using files = storeFolder()
  await using others = storeFolder()
  await using database = await postgres.database()
  const ann = await filled(files)
  const bob = placeIn(others.folder, '', 'bob' as UserId)
  const store = await openAt(bob)
  await fillStore(store, 5)
  await store.close()
  await ask(ann, { ask: 'move', to: database.url })
  const moved = await ask<MoveReport>(bob, { ask: 'move', to: database.url })
  assert.equal(moved.rows['journal'], 12)
  await assertWorks({ ...ann, url: database.url }, 67)
})

test('a move is refused while a guest works, on either side, and to where the store is', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const place = await filled(files)
  const guest = await files.open({ exclusive: true })
  await guest.opened()
  await assertRejects(ask(place, { ask: 'move', to: database.url }), 'workspace_busy')
  await guest.close()
  await assertRejects(ask(place, { ask: 'move', to: 'file' }), 'bad_input', /is already there/)
  await assertRejects(ask(place, { ask: 'move', to: 'postgres://nobody@127.0.0.1:1/none' }), 'store_failed')
})

test('a backup of Postgres is a file like any other, and is restored to a file or to Postgres', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const file = await filled(files)
  await ask(file, { ask: 'move', to: database.url })
  const place = { ...file, url: database.url }
  const { path, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
  assert.deepEqual([manifest.head.seq, manifest.rows['memory_entry']], [67, 40])
  await using home = storeFolder()
  await ask<RestoreReport>(placeIn(home.folder), { ask: 'restore', path, replace: false, by: 'ann' })
  await assertWorks(placeIn(home.folder), 69)

  await assertWorks(place, 67)
  await assertRejects(ask(place, { ask: 'restore', path, replace: false, by: 'ann' }), 'bad_input', /is not empty/)
  const { replaced } = await ask<RestoreReport>(place, { ask: 'restore', path, replace: true, by: 'ann' })
  assert.ok(replaced !== null && existsSync(replaced))
  await assertWorks(place, 69)
  const old = depsOf(place)
  assert.deepEqual(await old.verifyChain({ url: database.url }), [])
})

test(
  'a restore into Postgres that ends before its end leaves the store that was there, whole; again it replaces it',
  { skip },
  async () => {
    await using files = storeFolder()
    await using database = await postgres.database()
    const file = await filled(files)
    await ask(file, { ask: 'move', to: database.url })
    const place = { ...file, url: database.url }
    const { path } = await ask<BackupReport>(place, { ask: 'backup', path: '' })
    await assertWorks(place, 67)
    const restore = { ask: 'restore', path, replace: true, by: 'ann' } as const
    for (const last of ['session', 'comparing zoey']) {
      const meanwhile: Promise<unknown>[] = []
      const stop = {
        tell(what: string) {
          // Another looks at the same time: for it nothing has happened yet.
          if (what === 'message') meanwhile.push(database.sql('select count(*)::int as rows from journal').then(([row]) => row?.['rows']))
          if (what === last) throw new Error('planted')
        },
      }
      await assert.rejects(ask(place, restore, stop), /planted/)
      assert.deepEqual([...new Set(await Promise.all(meanwhile))], [68])
    }
    assert.equal((await ask<StoreVerifyReport>(place, { ask: 'verify' })).ok, true)
    const store = await openAt(place)
    assert.equal((await store.head()).seq, 68)
    await store.close()
    await ask<RestoreReport>(place, restore)
    assert.deepEqual(await database.sql('select * from move_cursor'), [])
    await assertWorks(place, 69)
  },
)

test('Postgres is vacuumed, with figures, and not while a guest works; the store goes on', { skip }, async () => {
  await using files = storeFolder()
  await using database = await postgres.database()
  const file = await filled(files)
  await ask(file, { ask: 'move', to: database.url })
  const place = { ...file, url: database.url }
  await database.sql(
    `insert into blob ("user", hash, bytes) select 'ann', 'x' || i, (select decode(string_agg(md5(random()::text || j), ''), 'hex')
     from generate_series(1, 1000) j where i > 0) from generate_series(1, 100) i`,
  )
  await database.sql(`delete from blob where hash like 'x%'`)
  assert.match((await ask<StoreStatus>(place, { ask: 'status' })).vectors, /^Warning: no pgvector/)
  if (pgvectorSkip() === false) {
    await database.sql('create extension vector')
    assert.match((await ask<StoreStatus>(place, { ask: 'status' })).vectors, /^pgvector \d.*one by one$/)
  }
  const { bytesBefore, bytesAfter, where } = await ask<VacuumReport>(place, { ask: 'vacuum' })
  assert.ok(bytesAfter < bytesBefore - 1_000_000, `${bytesBefore} ${bytesAfter}`)
  assert.equal(where, database.url.replace(/\?.*/, ''))
  const [dead] = await database.sql<{ rows: number }>(
    "select n_dead_tup::int as rows from pg_stat_user_tables where relname = 'blob' and vacuum_count > 0",
  )
  assert.equal(dead?.rows, 0)
  const guest = await openPostgresStore({ url: database.url, user: place.user, pool: 3, durability: 'normal', exclusive: true })
  await guest.opened()
  await assertRejects(ask(place, { ask: 'vacuum' }), 'workspace_busy')
  await assertRejects(ask(place, { ask: 'migrate', dryRun: false, withoutCopy: true }), 'workspace_busy')
  await guest.close()
})

test(
  'Postgres is brought to another version only when a person says that there is a copy, and goes on with all that it had',
  {
    skip,
  },
  async () => {
    await using files = storeFolder()
    await using database = await postgres.database()
    const file = await filled(files)
    await ask(file, { ask: 'move', to: database.url })
    const place = { ...file, url: database.url }
    const dry = await ask<MigrateReport>(place, { ask: 'migrate', to: 5, dryRun: true, withoutCopy: false })
    assert.ok(dry.steps.includes('-6 blob-owner'))
    await assertRejects(ask(place, { ask: 'migrate', to: 5, dryRun: false, withoutCopy: false }), 'bad_input', /Step 6/)
    const back = await ask<MigrateReport>(place, { ask: 'migrate', to: 5, dryRun: false, withoutCopy: true })
    assert.deepEqual([back.to, back.copy, back.steps], [5, null, dry.steps])
    // The next start does not do by itself what asks for a copy.
    const store = await openAt(place)
    await assertRejects(store.opened(), 'bad_input', /Step 6/)
    await store.close()
    const forth = await ask<MigrateReport>(place, { ask: 'migrate', dryRun: false, withoutCopy: true })
    assert.deepEqual([forth.from, forth.to], [5, newestStep])
    await assertWorks(place, 67)
  },
)

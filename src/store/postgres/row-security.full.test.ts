/** A statement that forgot its user finds nothing: in every table, by the catalog, and whatever it does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestLease } from '../../config/index.ts'
import type { UserId } from '../../base/index.ts'
import { type KeptFiles, openKeptFiles } from '../files/kept-files.ts'
import { describeMemoryContract } from '../contract/memory-contract.ts'
import { describeStoreContract, recordOf } from '../store-contract.ts'
import type { Store } from '../store.ts'
import { ann, assertRejects } from '../store-fixture.ts'
import { canonicalRecords } from './chain-fixture.ts'
import { openEngine } from './engine-fixture.ts'
import { openPgDriver, type PostgresDriver } from './postgres-session.ts'
import { openPostgresStore } from './postgres-store.ts'
import { type PostgresDatabase, postgresSkip, usePostgres } from './postgres-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const bob = 'bob' as UserId

/** The administrator makes the role once. */
async function withRole(): Promise<PostgresDatabase & { readonly role: string }> {
  const database = await postgres.database()
  const role = `guest_${database.name.slice(-12)}`
  await database.sql(`create role ${role} nologin`)
  await database.sql(`grant ${role} to oxbow`)
  return Object.assign(database, { role })
}

const guestDriver = (url: string, user: UserId, role: string): PostgresDriver =>
  openPgDriver({ url, connections: 3, name: 'oxbow test', rows: { user, role } })

const openGuest = (database: { url: string; role: string }, user: UserId, lease?: GuestLease) =>
  openEngine(guestDriver(database.url, user, database.role), { user, rowRole: database.role, exclusive: true, ...(lease && { lease }) })

let shared: ReturnType<typeof withRole> | null = null
let cases = 0

/** The whole store as a guest uses it: nothing of it may need what its role has not. */
const openStore = async (user: string, exclusive = false): Promise<Store> => {
  const { url, role } = await (shared ??= withRole())
  return openPostgresStore({ url, role, user: user as UserId, pool: 3, durability: 'normal', exclusive })
}

if (skip === false) {
  describeStoreContract('the Postgres store under policies', async () => {
    const store = await openStore(`ann${cases++}`, true)
    return { store, drop: () => store.close() }
  })

  describeMemoryContract('the Postgres store under policies', async () => {
    const user = `ann${cases++}`
    const stores = [await openStore(user)]
    return {
      store: stores[0]!,
      async other() {
        const store = await openStore(`${user}-bob`)
        stores.push(store)
        return store
      },
      async drop() {
        for (const store of stores) await store.close()
      },
    }
  })
}

test('every table with users has a policy, and a wrong query finds nothing in any of them', { skip }, async () => {
  await using database = await withRole()
  const lease = (node: string) => ({ term: 1, epoch: 1, node })
  const guests = [await openGuest(database, ann, lease('a')), await openGuest(database, bob, lease('b'))] as const
  for (const { store } of guests) {
    await store.append({ records: [recordOf('c1', 'intent')] })
    await store.putBlob(new Uint8Array([1, 2, 3]))
  }
  // What users share is shared under policies, too: the sums are of the budget, the parts are their own.
  await database.sql(`insert into cluster_budget ("name", "span", "max_micro_dollars") values ('x', 'total', 100)`)
  for (const user of [ann, bob]) await database.sql(`insert into cluster_member ("user", "budget") values ($1, 'x')`, [user])
  const parts: number[] = []
  for (const { store } of guests) {
    const [own] = await store.share!([{ name: 'x', microDollars: 70, tokens: 0 }])
    parts.push(own!.held.microDollars)
  }
  assert.deepEqual(parts, [70, 30])
  // Whatever tables there are, with a row of another user in each, whose columns are filled by their types.
  const tables = await database.sql<{ name: string; guarded: boolean }>(
    `select c.relname::text as name, c.relrowsecurity and exists (select 1 from pg_policy p where p.polrelid = c.oid) as guarded
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'user' where c.relkind = 'r' order by 1`,
  )
  assert(tables.length >= 18, tables.map(({ name }) => name).join())
  assert.deepEqual(
    tables.filter(({ guarded }) => !guarded),
    [],
  )
  await using driver = disposing(guestDriver(database.url, ann, database.role))
  for (const { name } of tables) {
    await database.sql(fillText(name, await columnsOf(database, name)))
    const [row] = await driver.read((session) =>
      session.rows({ text: `select count(*), count(*) filter (where "user" <> 'ann') from "${name}"`, values: [] }),
    )
    assert.equal(row?.[1], 0, `${name} shows rows of others`)
    const [others] = await database.sql<{ count: string }>(`select count(*) from "${name}" where "user" <> 'ann'`)
    assert(Number(others?.count) > 0, name)
    const changed = await driver.read(async (session) => {
      await session.exec('begin')
      const gone = await session.rows({ text: `delete from "${name}" where "user" <> 'ann' returning 1`, values: [] })
      await session.exec('rollback')
      return gone.length
    })
    assert.equal(changed, 0, `rows of others can be deleted from ${name}`)
    await assert.rejects(
      driver.read((session) => session.exec(fillText(name, columns.get(name)!, 'carol'))),
      /row-level security/,
      `rows of others can be written to ${name}`,
    )
  }
  // Each still reads its own, and a session without a user reads nothing.
  for (const { store } of guests) assert.equal((await canonicalRecords(store)).length, 1)
  await using nobody = disposing(guestDriver(database.url, '' as UserId, database.role))
  assert.deepEqual(await nobody.read((session) => session.rows({ text: 'select count(*) from journal', values: [] })), [[0]])
  for (const { store } of guests) await store.close()
})

test('files of a cluster are read and written as the role, under the lease of their user', { skip }, async () => {
  await using database = await withRole()
  const place = (user: UserId, epoch: number) =>
    ({ address: database.url, user, role: database.role, lease: { term: 1, epoch, node: `node-${epoch}` }, bucket: null }) as const
  const open: KeptFiles[] = []
  for (const [user, epoch] of [
    [ann, 1],
    [bob, 1],
    [ann, 2],
  ] as const) {
    const guest = await openGuest(database, user, place(user, epoch).lease)
    await guest.engine.open()
    await guest.store.close()
    open.push(openKeptFiles(place(user, epoch)))
  }
  const [stale, other, own] = open as [KeptFiles, KeptFiles, KeptFiles]
  const pack = { name: 'p', kind: 'large', bytes: 9_000_000, read: (_at: number, length: number) => Buffer.alloc(length, 7) } as const
  await own.push([pack], { head: 'h1', refs: {} }, { after: [''] })
  let bytes = 0
  await own.read(await own.packs(0), (_pack, { content }) => void (bytes += content.length))
  assert.equal(bytes, pack.bytes)
  assert.equal(await own.collect(), 0)
  assert.equal((await own.newest())?.head, 'h1')
  assert.equal(await other.newest(), null)
  await assert.rejects(stale.push([], { head: 'h2', refs: {} }, { after: ['h1'] }), { code: 'stale_epoch' })
  const works = await database.sql<{ who: string }>(
    `select distinct usename::text as who from pg_stat_activity where application_name like 'oxbow, files of %'`,
  )
  assert.deepEqual(works, [{ who: 'oxbow' }], 'it signs in as the owner')
  // What it does, it does as the role: without rights it can do nothing.
  await database.sql(`revoke all on cluster_files from ${database.role}`)
  await assert.rejects(own.newest(), /permission denied/)
  for (const files of open) await files.close()
})

test('a guest whose role would see everything is refused, and so is a role that there is not', { skip }, async () => {
  await using database = await withRole()
  const owner = await openEngine(guestDriver(database.url, ann, 'oxbow'), { rowRole: 'oxbow' })
  await assertRejects(owner.engine.open(), 'bad_config')
  await owner.store.close()
  const nobody = await openEngine(guestDriver(database.url, ann, 'no_such_role'), { rowRole: 'no_such_role' })
  await assertRejects(nobody.engine.open(), 'bad_config')
  await nobody.store.close()
})

test('a role that signs in by itself and owns nothing is held by the same policies', { skip }, async () => {
  await using database = await withRole()
  const first = await openGuest(database, ann)
  await first.store.append({ records: [recordOf('c1', 'intent')] })
  await first.store.close()
  await database.sql(`alter role ${database.role} login`)
  const server = await postgres.server()
  const url = server.url(database.name, database.role)
  const own = await openEngine(openPgDriver({ url, connections: 3, name: 'test', rows: { user: bob, role: '' } }), { user: bob })
  await own.store.append({ records: [recordOf('c1', 'intent')] })
  assert.equal((await canonicalRecords(own.store)).length, 1)
  await own.store.close()
})

test('a database of one user goes on without any of it', { skip }, async () => {
  await using database = await postgres.database()
  const guest = await openEngine(openPgDriver({ url: database.url, connections: 3, name: 'test', rows: { user: ann, role: '' } }))
  await guest.store.append({ records: [recordOf('c1', 'intent')] })
  assert.equal((await canonicalRecords(guest.store)).length, 1)
  await guest.store.close()
})

const columns = new Map<string, readonly Column[]>()

interface Column {
  readonly name: string
  readonly type: string
}

async function columnsOf(database: PostgresDatabase, table: string): Promise<readonly Column[]> {
  const found = await database.sql<{ name: string; type: string }>(
    `select column_name::text as name, data_type::text as type from information_schema.columns where table_name = $1 and is_generated = 'NEVER'`,
    [table],
  )
  columns.set(table, found)
  return found
}

function fillText(table: string, all: readonly Column[], user = 'mallory'): string {
  const value = ({ name, type }: Column): string =>
    name === 'user'
      ? `'${user}'`
      : type === 'bytea'
        ? `'\\x01'`
        : type.startsWith('timestamp')
          ? 'now()'
          : type === 'text'
            ? `'x'`
            : type === 'boolean'
              ? 'false'
              : '1'
  return `insert into "${table}" (${all.map(({ name }) => `"${name}"`).join(', ')}) values (${all.map(value).join(', ')})`
}

function disposing(driver: PostgresDriver): PostgresDriver & AsyncDisposable {
  return Object.assign(driver, { [Symbol.asyncDispose]: () => driver.close() })
}

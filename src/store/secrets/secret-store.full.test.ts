import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { systemClock } from '../../base/index.ts'
import { postgresSkip, usePostgres } from '../postgres/postgres-fixture.ts'
import { openPostgresStore } from '../postgres/postgres-store.ts'
import { ann, assertRejects, storeFolder } from '../store-fixture.ts'
import { connectSqlite, type UpkeepConnection } from '../upkeep/connection.ts'
import { connectPostgres } from '../upkeep/connection.ts'
import { keyFromHex, newKey, open, openSecrets, seal } from './secret-store.ts'

const planted = 'sk-planted-0123456789'
const master = keyFromHex('11'.repeat(32))

interface Subject {
  readonly db: UpkeepConnection
  /** Everything that the database keeps, as bytes. */
  dump(): Promise<string>
  drop(): Promise<void>
}

const postgres = usePostgres()

async function onSqlite(): Promise<Subject> {
  const files = storeFolder()
  await (await files.open()).head()
  const db = connectSqlite(files.path, 'write')
  return {
    db,
    async dump() {
      const there = [files.path, `${files.path}-wal`].filter((path) => existsSync(path))
      return there.map((path) => readFileSync(path).toString('latin1')).join('')
    },
    async drop() {
      await db.close()
      await files[Symbol.asyncDispose]()
    },
  }
}

async function onPostgres(): Promise<Subject> {
  const database = await postgres.database()
  const store = await openPostgresStore({ url: database.url, user: ann, pool: 2, durability: 'normal' })
  await store.opened()
  const db = await connectPostgres(database.url, 'write')
  return {
    db,
    async dump() {
      const rows = [...(await db.rows('select * from "secret"')), ...(await db.rows('select * from "wrapped_key"'))]
      return rows
        .flat()
        .map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('latin1') : String(cell)))
        .join('\n')
    },
    async drop() {
      await db.close()
      await store.close()
      await database[Symbol.asyncDispose]()
    },
  }
}

function describeSecrets(name: string, make: () => Promise<Subject>): void {
  const holds: Holds = (title, check) => {
    void it(title, async () => {
      const subject = await make()
      try {
        await check(subject)
      } finally {
        await subject.drop()
      }
    })
  }
  describe(`secrets in ${name}`, () => {
    describeKeeping(holds)
    describeKeys(holds)
  })
}

type Holds = (title: string, check: (subject: Subject) => Promise<void>) => void
const secretsOf = (db: UpkeepConnection, key: Uint8Array = master) => openSecrets({ db, user: ann, master: key, clock: systemClock })

function describeKeeping(holds: Holds): void {
  holds(
    'what was set is read back, listed without its value, replaced and removed; the database holds no plain text',
    async ({ db, dump }) => {
      const secrets = secretsOf(db)
      await secrets.set('OPENAI_API_KEY', planted)
      await secrets.set('other', 'über-geheim')
      assert.equal(await secrets.get('OPENAI_API_KEY'), planted)
      assert.deepEqual(
        (await secrets.list()).map((one) => one.name),
        ['OPENAI_API_KEY', 'other'],
      )
      const kept = await dump()
      assert(kept.includes('OPENAI_API_KEY'))
      assert(!kept.includes(planted) && !kept.includes(master.toString('latin1')))
      await secrets.set('other', 'new')
      assert.equal(await secrets.get('other'), 'new')
      assert.deepEqual([await secrets.remove('other'), await secrets.remove('other'), await secrets.get('other')], [true, false, null])
    },
  )

  holds('another master key opens nothing and says so', async ({ db }) => {
    await secretsOf(db).set('A', planted)
    const stranger = secretsOf(db, newKey())
    await assertRejects(stranger.get('A'), 'denied', /the key is wrong/)
    await assertRejects(stranger.set('B', 'x'), 'denied')
    assert.equal(await secretsOf(db).get('A'), planted)
  })

  holds('a sealed value that was changed, or moved to another name, does not open', async ({ db }) => {
    const secrets = secretsOf(db)
    await secrets.set('A', planted)
    await secrets.set('B', 'other')
    const [row] = await db.rows('select "sealed" from "secret" where "name" = ?', ['A'])
    await db.rows('update "secret" set "sealed" = ? where "name" = ? returning 1', [row?.[0] as Uint8Array, 'B'])
    await assertRejects(secrets.get('B'), 'denied', /value was changed/)
    const changed = Uint8Array.from(row?.[0] as Uint8Array)
    changed[20] = (changed[20] ?? 0) ^ 1
    await db.rows('update "secret" set "sealed" = ? where "name" = ? returning 1', [changed, 'A'])
    await assertRejects(secrets.get('A'), 'denied')
  })
}

function describeKeys(holds: Holds): void {
  holds('invalid names and values are refused', async ({ db }) => {
    const secrets = secretsOf(db)
    for (const name of ['', '1a', 'a b', "a'; drop table secret", 'a'.repeat(129)]) await assertRejects(secrets.set(name, 'x'), 'bad_input')
    await assertRejects(secrets.set('a', ''), 'bad_input')
    await assertRejects(secrets.set('a', 'x'.repeat(70_000)), 'bad_input')
  })

  holds('a new master key wraps the data keys, and the old one opens nothing any more', async ({ db }) => {
    const secrets = secretsOf(db)
    await secrets.set('A', planted)
    const next = newKey()
    assert.equal(await secrets.rewrap(next), 1)
    assert.equal(await secrets.get('A'), planted)
    assert.equal(await secretsOf(db, next).get('A'), planted)
    await assertRejects(secretsOf(db).get('A'), 'denied')
  })

  holds('a new data key seals everything anew, and one that was cut off is finished', async ({ db }) => {
    const secrets = secretsOf(db)
    for (let i = 0; i < 250; i++) await secrets.set(`S${i}`, `${planted}-${i}`)
    const [before] = await db.rows('select "id" from "wrapped_key"')
    assert.equal(await secrets.rotateData(), 250)
    const keys = await db.rows('select "id" from "wrapped_key"')
    assert.equal(keys.length, 1)
    assert.notDeepEqual(keys[0], before)
    // Cut off after its first part: the new key is there, some secrets have it.
    const parts = { ...db, transaction: cutAfter(db, 2) }
    await assert.rejects(secretsOf(parts).rotateData(), /cut off/)
    assert.equal((await db.rows('select 1 from "wrapped_key"')).length, 2)
    for (let i = 0; i < 250; i += 50) assert.equal(await secrets.get(`S${i}`), `${planted}-${i}`)
    assert.equal(await secrets.rotateData(), 150)
    assert.equal((await db.rows('select 1 from "wrapped_key"')).length, 1)
    assert.equal(await secrets.get('S7'), `${planted}-7`)
  })
}

/** @returns a transaction that fails once so many have taken place, as when the process dies there */
function cutAfter(db: UpkeepConnection, count: number): UpkeepConnection['transaction'] {
  let left = count
  return async (work) => {
    if (left-- === 0) throw new Error('cut off')
    return db.transaction(work)
  }
}

describeSecrets('SQLite', onSqlite)
if (postgresSkip() === false) describeSecrets('Postgres', onPostgres)

describe('sealed bytes', () => {
  void it('open with their key for what they belong to, and never twice the same', () => {
    const key = newKey()
    const [one, two] = [seal(key, Buffer.from('x'), ['a']), seal(key, Buffer.from('x'), ['a'])]
    assert.notDeepEqual(one, two)
    assert.equal(open(key, one, ['a'])?.toString(), 'x')
    for (const bad of [
      open(key, one, ['b']),
      open(newKey(), one, ['a']),
      open(key, one.subarray(0, -1), ['a']),
      open(key, Buffer.alloc(3), ['a']),
    ]) {
      assert.equal(bad, null)
    }
  })

  void it('a process that is killed in a rotation leaves secrets that open, and the next rotation finishes', async () => {
    await using files = storeFolder()
    const store = await files.open()
    await store.head()
    const db = connectSqlite(files.path, 'write')
    const secrets = openSecrets({ db, user: ann, master, clock: systemClock })
    for (let i = 0; i < 300; i++) await secrets.set(`S${i}`, `${planted}-${i}`)
    const program = `
      import { connectSqlite } from ${JSON.stringify(new URL('../upkeep/connection.ts', import.meta.url).href)}
      import { openSecrets } from ${JSON.stringify(new URL('secret-store.ts', import.meta.url).href)}
      import { keyFromHex } from ${JSON.stringify(new URL('secret-store.ts', import.meta.url).href)}
      const db = connectSqlite(process.argv[1], 'write')
      let left = 2
      const transaction = async (work) => {
        if (left-- === 0) process.kill(process.pid, 'SIGKILL')
        return db.transaction(work)
      }
      await openSecrets({ db: { ...db, transaction }, user: 'ann', master: keyFromHex('11'.repeat(32)), clock: { now: Date.now } }).rotateData()`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, files.path], { stdio: 'ignore' })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    for (let i = 0; i < 300; i += 37) assert.equal(await secrets.get(`S${i}`), `${planted}-${i}`)
    assert.equal(await secrets.rotateData(), 200)
    assert.equal((await db.rows('select 1 from "wrapped_key"')).length, 1)
    await db.close()
  })
})

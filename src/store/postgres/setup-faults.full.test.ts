import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isOxbowError, type ErrorCode } from '../../base/index.ts'
import { recordOf } from '../store-contract.ts'
import { ann } from '../store-fixture.ts'
import { canonicalRecords } from './chain-fixture.ts'
import { openEngine, pgDriver } from './engine-fixture.ts'
import { parseAddress } from './postgres-address.ts'
import { openPostgresStore } from './postgres-store.ts'
import { postgresSkip, startPostgres, usePostgres } from './postgres-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const secret = 'the-password-of-ann'

async function refusal(url: string): Promise<{ readonly code: ErrorCode; readonly words: string }> {
  const { store, engine } = await openEngine(pgDriver(url), { shown: parseAddress(url).shown, patienceMs: 100 })
  try {
    await engine.open()
    throw new Error('it opened')
  } catch (error) {
    assert(isOxbowError(error), String(error))
    return { code: error.code, words: `${error.message} ${error.hint} ${JSON.stringify(error.data)}` }
  } finally {
    await store.close()
  }
}

test('a wrong password, user or database is named at once, and no password is', { skip }, async () => {
  await using database = await postgres.database()
  const server = await postgres.server()
  await server.admit('host all locked_in 127.0.0.1/32 scram-sha-256')
  await server.sql(`create role locked_in login password '${secret}'`)
  await server.sql(`grant all on database ${database.name} to locked_in`)
  await database.sql('grant all on schema public to locked_in')
  const right = await openEngine(pgDriver(server.url(database.name, `locked_in:${secret}`)))
  await right.engine.open()
  await right.store.close()

  const wrong = await refusal(server.url(database.name, `locked_in:${secret}x`))
  assert.equal(wrong.code, 'bad_config')
  assert.match(wrong.words, /password authentication failed/)
  assert.doesNotMatch(wrong.words, new RegExp(secret))
  const nowhere = await refusal(server.url('no_such_database'))
  assert.equal(nowhere.code, 'bad_config')
  assert.match(nowhere.words, /no_such_database/)
  assert.equal((await refusal(server.url(database.name, 'nobody_here'))).code, 'bad_config')
})

test('a role that may not make tables is told so', { skip }, async () => {
  await using database = await postgres.database()
  await database.sql('create role poor login')
  const refused = await refusal((await postgres.server()).url(database.name, 'poor'))
  await database.sql('drop role poor')
  assert.equal(refused.code, 'bad_config')
  assert.match(refused.words, /may create tables/)
})

test('addresses are shown without password, and what is no address is not repeated', () => {
  assert.equal(parseAddress(`postgres://ann:${secret}@db.example:5433/oxbow?sslmode=require`).shown, 'postgres://ann@db.example:5433/oxbow')
  assert.equal(parseAddress('postgresql:///oxbow?host=/run/postgresql').shown, 'postgres:///run/postgresql/oxbow')
  const both = parseAddress(`postgres://ann:${secret}@one:5433,two/oxbow?target_session_attrs=read-write`)
  assert.deepEqual(both, {
    servers: [`postgres://ann:${secret}@one:5433/oxbow`, `postgres://ann:${secret}@two/oxbow`],
    shown: 'postgres://ann@one:5433,two/oxbow',
  })
  for (const bad of [
    `mysql://ann:${secret}@host/db`,
    `postgres//ann:${secret}`,
    `postgres://ann:${secret}@host/db?sslmode=sometimes`,
    'x'.repeat(5_000),
  ]) {
    assert.throws(
      () => parseAddress(bad),
      (error) => isOxbowError(error, 'bad_config') && !error.message.includes(secret) && error.hint !== '',
    )
  }
})

test('a full disk refuses the write with advice, reading works, and writing goes on when there is room', { skip }, async (t) => {
  await using server = await startPostgres()
  const room = join(server.folder, 'small')
  using disk = smallDisk(t, room)
  if (disk === null) return
  const { uid, gid } = statSync(server.folder)
  chownSync(room, uid, gid)
  chmodSync(room, 0o700)
  await server.sql(`create tablespace small location '${room}'`)
  await server.sql('create database full_one owner oxbow tablespace small')
  const { store } = await openEngine(pgDriver(server.url('full_one')), { exclusive: true, patienceMs: 500 })
  let kept = 0
  const body = JSON.stringify('x'.repeat(3_500))
  const refused = await (async () => {
    for (;;) {
      try {
        await store.append({ records: Array.from({ length: 100 }, () => recordOf(`c${kept}`, 'refused', { body })) })
        kept += 100
      } catch (error) {
        return error
      }
    }
  })()
  assert(isOxbowError(refused, 'store_full'), String(refused))
  assert.match(refused.hint, /disk of the database server/)
  assert.equal((await canonicalRecords(store)).length, kept)
  assert.equal(spawnSync('mount', ['-o', 'remount,size=64m', room]).status, 0)
  while (store.fault() !== null) await new Promise((resolve) => void setTimeout(resolve, 20))
  assert.equal((await store.append({ records: [recordOf('after', 'refused')] })).firstSeq, kept + 1)
  await store.close()
  await server.sql('drop database full_one with (force)')
})

/** A file system of sixteen megabytes; null, with the reason printed, where it cannot be made. */
function smallDisk(t: TestContext, folder: string): Disposable | null {
  mkdirSync(folder)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'oxbow-test', folder], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    t.skip(`a small file system needs root and mount: ${mounted.stderr || String(mounted.error)}`)
    return null
  }
  return { [Symbol.dispose]: () => void spawnSync('umount', ['--lazy', folder]) }
}

test('sslmode means what it means to libpq: encrypted by require, the server known by verify-full', { skip }, async (t) => {
  const made = spawnSync('openssl', ['version'])
  if (made.status !== 0) {
    t.skip('needs openssl: apt-get install openssl')
    return
  }
  await using server = await startPostgres()
  assert.match((await refusal(`${server.url('postgres')}?sslmode=require`)).words, /does not support SSL.*sslmode/)
  const { uid, gid } = statSync(server.folder)
  const [key, certificate] = [join(server.folder, 'server.key'), join(server.folder, 'server.crt')]
  const line = `req -new -x509 -days 2 -nodes -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout ${key} -out ${certificate}`
  assert.equal(spawnSync('openssl', line.split(' ')).status, 0)
  for (const file of [key, certificate]) chownSync(file, uid, gid)
  chmodSync(key, 0o600)
  await server.sql(`alter system set ssl_key_file = '${key}'`)
  await server.sql(`alter system set ssl_cert_file = '${certificate}'`)
  await server.sql('alter system set ssl = on')
  await server.sql('select pg_reload_conf()')
  await server.sql('create database safe owner oxbow')
  const encrypted = async (mode: string): Promise<unknown> => {
    const url = `${server.url('safe')}?${mode}`
    const store = await openPostgresStore({ url, user: ann, pool: 2, durability: 'normal', patienceMs: 100 })
    try {
      await store.opened()
      return (
        await server.sql(`select ssl from pg_stat_ssl s join pg_stat_activity a using (pid) where datname = 'safe' and usename = 'oxbow'`)
      )[0]?.['ssl']
    } finally {
      await store.close()
    }
  }
  assert.equal(await encrypted('sslmode=require'), true)
  assert.equal(await encrypted(`sslmode=verify-full&sslrootcert=${certificate}`), true)
  assert.equal(await encrypted('sslmode=disable'), false)
  const unknown = await refusal(`${server.url('safe')}?sslmode=verify-full`)
  assert.equal(unknown.code, 'bad_config')
  assert.match(unknown.words, /sslrootcert/)
})

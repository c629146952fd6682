import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { isEncrypted } from '../../base/index.ts'
import { recordOf } from '../store-contract.ts'
import { assertRejects, type StoreFolder, storeFolder } from '../store-fixture.ts'
import { openDatabase } from '../sqlite/sqlite-database.ts'
import { type CipherChoice, convertFile, openEncrypted } from './file-encryption.ts'

const planted = 'planted-where-nobody-may-read'
const one = '11'.repeat(32)
const two = '22'.repeat(32)
const choice = (...masters: string[]): CipherChoice => ({ masters, required: masters.length > 0 })

/** Text of every file in the folder, logs too. */
function everything({ folder }: StoreFolder): string {
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name)).toString('latin1'))
    .join('')
}

async function fill(files: StoreFolder, cipher?: CipherChoice): Promise<void> {
  const store = await files.open(cipher === undefined ? {} : { cipher })
  for (let i = 0; i < 20; i++) {
    await store.append({ records: [recordOf(`c${i}`, 'refused', { body: JSON.stringify({ text: planted.repeat(i + 1) }) })] })
  }
  await store.close()
}

async function bodies(files: StoreFolder, cipher?: CipherChoice): Promise<number> {
  const store = await files.open(cipher === undefined ? {} : { cipher })
  const records = await store.records({ order: 'oldest_first', limit: 100, hydrate: true })
  await store.close()
  return records.filter(({ body }) => body.includes(planted)).length
}

const convert = async (path: string, from: readonly string[], to: string | null): Promise<void> =>
  convertFile({ path, cipher: { masters: from, required: false }, to })

test('an encrypted store is read with its key, and neither its file nor its log holds plain text', async () => {
  await using files = storeFolder()
  const store = await files.open({ cipher: choice(one) })
  await store.append({ records: [recordOf('a', 'refused', { body: JSON.stringify({ text: planted }) })] })
  assert.equal((await store.records({ order: 'oldest_first', limit: 9, hydrate: true })).length, 1)
  assert(existsSync(`${files.path}-wal`))
  assert(!everything(files).includes(planted))
  await store.close()
  assert(!everything(files).includes(planted) && isEncrypted(files.path))
  assert.equal(await bodies(files, choice(one)), 1)
})

test('another key is refused with advice, and the file is unchanged', async () => {
  await using files = storeFolder()
  await fill(files, choice(one))
  const before = readFileSync(files.path)
  const store = await files.open({ cipher: choice(two) })
  await assertRejects(store.opened(), 'denied', /encrypted with another key or passphrase/)
  await store.close()
  await assertRejects(convert(files.path, [two], null), 'denied')
  assert(readFileSync(files.path).equals(before))
})

test('a plain store is refused when encryption is required, with the verb that encrypts it', async () => {
  await using files = storeFolder()
  await fill(files)
  const store = await files.open({ cipher: choice(one) })
  await assertRejects(store.opened(), 'bad_config', /is not encrypted/)
  await store.close()
  assert.equal(await bodies(files, { masters: [one], required: false }), 20)
})

test('a store is encrypted, given another key, and decrypted again, with everything in it', async () => {
  await using files = storeFolder()
  await fill(files)
  assert(everything(files).includes(planted))
  await convert(files.path, [], one)
  assert(!everything(files).includes(planted))
  assert.equal(await bodies(files, choice(one)), 20)
  await convert(files.path, [one], two)
  assert.equal(await bodies(files, choice(two)), 20)
  const old = await files.open({ cipher: choice(one) })
  await assertRejects(old.opened(), 'denied')
  await old.close()
  // While the key is being changed either may be the right one.
  assert.equal(await bodies(files, choice(one, two)), 20)
  await convert(files.path, [two], null)
  assert.equal(await bodies(files), 20)
})

test('a store that a guest uses is not converted', async () => {
  await using files = storeFolder()
  const store = await files.open({ exclusive: true })
  await store.append({ records: [recordOf('a', 'refused')] })
  await assertRejects(convert(files.path, [], one), 'workspace_busy')
  await store.close()
})

test('a process that is killed at any step of a conversion leaves a store that opens, and the next conversion succeeds', async () => {
  await using files = storeFolder()
  await fill(files)
  const program = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const at = process.argv[2]
    for (const name of ['copyFileSync', 'renameSync', 'fsyncSync']) {
      const real = fs[name]
      fs[name] = (...args) => {
        if (at === 'before ' + name) process.kill(process.pid, 'SIGKILL')
        const result = real(...args)
        if (at === 'after ' + name) process.kill(process.pid, 'SIGKILL')
        return result
      }
    }
    syncBuiltinESMExports()
    const { convertFile } = await import(${JSON.stringify(new URL('./file-encryption.ts', import.meta.url).href)})
    convertFile({ path: process.argv[1], cipher: { masters: [], required: false }, to: ${JSON.stringify(one)} })`
  for (const step of ['before copyFileSync', 'after copyFileSync', 'before fsyncSync', 'before renameSync', 'after renameSync']) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, files.path, step], { stdio: 'ignore' })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL', step)
    assert.equal(isEncrypted(files.path), step === 'after renameSync', step)
    assert.equal(await bodies(files, { masters: [one], required: false }), 20, step)
  }
  await convert(files.path, [one], null)
  assert.equal(await bodies(files), 20)
})

for (const cipher of [undefined, choice(one)]) {
  test(`what a process that died while it changed the mode of the log had begun is taken back by who only reads (${cipher === undefined ? 'a plain file' : 'an encrypted one'})`, async () => {
    await using files = storeFolder()
    await fill(files, cipher)
    const raw = cipher === undefined ? new Sqlite(files.path) : openEncrypted(cipher, files.path, false)
    raw.pragma('journal_mode = DELETE')
    // So small that uncommitted pages go to the file, and their old content to the journal next to it: as a dying process leaves it.
    raw.pragma('cache_size = 1')
    raw.pragma('cache_spill = 1')
    raw.exec('begin immediate; create table begun (text); insert into begun values (hex(randomblob(100000))); delete from begun')
    const copy = join(files.folder, 'left.db')
    for (const end of ['', '-journal']) copyFileSync(`${files.path}${end}`, `${copy}${end}`)
    raw.close()
    const database = openDatabase({ path: copy, readOnly: true, ...(cipher !== undefined && { cipher }) })
    assert.deepEqual(database.query("select name from sqlite_schema where name = 'begun'"), [])
    assert.deepEqual(database.query('select count(*) as records from journal'), [{ records: 20 }])
    assert.throws(() => database.exec('create table more (text)'), /readonly/)
    database.close()
    assert.equal(existsSync(`${copy}-journal`), false)
  })
}

test('a file that is no database is said to be damaged or of another key, and stays', async () => {
  await using files = storeFolder()
  writeFileSync(files.path, 'x'.repeat(8_192))
  const store = await files.open({ cipher: choice(one) })
  await assertRejects(store.opened(), 'denied')
  await store.close()
  const plain = await files.open()
  await assertRejects(plain.opened(), 'store_corrupt')
  await plain.close()
})

/** Secrets and encryption from end to end: the real program, real files, a real endpoint that sees which key it is asked with. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { shareCompileCache } from '../support/compile-cache.ts'
import { program } from '../support/built.ts'

const planted = 'sk-planted-4711-0815'

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

function homeFolder() {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-keys-'))
  shareCompileCache(home)
  return {
    home,
    database: join(home, 'users', 'default', 'internal', 'oxbow.db'),
    oxbow: (args: readonly string[], piped = '', more: Readonly<Record<string, string>> = {}): Promise<Ran> =>
      new Promise((resolve) => {
        const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home, ...more }
        const child = spawn(process.execPath, [program, ...args], { env })
        const said = { out: '', err: '' }
        child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
        child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
        child.once('close', (exit) => resolve({ exit, ...said }))
        child.stdin.end(piped)
      }),
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  }
}

/** Files below a folder that hold the text. */
function filesWith(folder: string, text: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(text))
}

test('a stored secret is the key of a provider whose variable is not set, and is in no file', async () => {
  using place = homeFolder()
  const seen: (string | undefined)[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization)
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: { message: `not ${String(request.headers.authorization)}` } }))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const ask = ['run', 'hi', '--model', 'gpt-4o-mini', '--base-url', `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`]
  try {
    assert.equal((await place.oxbow(['run', 'help'])).exit, 0)
    const set = await place.oxbow(['secret', 'set', 'OPENAI_API_KEY'], `${planted}\n`)
    assert.equal(set.exit, 0, set.err)
    const answers = [await place.oxbow(ask), await place.oxbow(ask, '', { OPENAI_API_KEY: 'from-the-environment' })]
    assert(answers.every(({ exit }) => exit !== 0))
    assert(seen.includes(`Bearer ${planted}`) && seen.includes('Bearer from-the-environment'), JSON.stringify([seen, answers]))
    assert(answers.every(({ out, err }) => !`${out}${err}`.includes(planted)))
    assert.deepEqual(filesWith(place.home, planted), [])
    const list = await place.oxbow(['secret', 'list'])
    assert.match(list.out, /OPENAI_API_KEY/)
    const keyFile = join(place.home, 'runner', 'keys', 'default.json')
    assert.equal(statSync(keyFile).mode & 0o777, 0o600)
    assert.equal((await place.oxbow(['secret', 'remove', 'OPENAI_API_KEY'])).exit, 0)
    assert.notEqual((await place.oxbow(['secret', 'remove', 'OPENAI_API_KEY'])).exit, 0)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

test('a stored secret is scrubbed even if a variable overrides it', async () => {
  using place = homeFolder()
  // Neither has the shape of a key, by which anything would be hidden.
  const kept = 'violet-harbour-lantern'
  const inUse = 'quiet-meadow-environment'
  const server = createServer((_, response) => {
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end(JSON.stringify({ error: { message: `neither ${inUse} nor ${kept} is right` } }))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const ask = ['run', 'hi', '--model', 'gpt-4o-mini', '--base-url', `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`]
  try {
    assert.equal((await place.oxbow(['run', 'help'])).exit, 0)
    assert.equal((await place.oxbow(['secret', 'set', 'OPENAI_API_KEY'], kept)).exit, 0)
    const { exit, out, err } = await place.oxbow(ask, '', { OPENAI_API_KEY: inUse })
    assert.notEqual(exit, 0)
    assert.match(`${out}${err}`, /nor \[secret:OPENAI_API_KEY\.stored\] is right/)
    assert.ok(!`${out}${err}`.includes(kept) && !`${out}${err}`.includes(inUse), err)
    assert.deepEqual(filesWith(place.home, kept), [])
    assert.deepEqual(filesWith(place.home, inUse), [])
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

test('a store under a passphrase opens with it and with no other, and the passphrase can be changed', async () => {
  using place = homeFolder()
  const first = { OXBOW_PASSPHRASE: 'correct horse' }
  const second = { OXBOW_PASSPHRASE: 'battery staple' }
  assert.equal((await place.oxbow(['run', 'help'])).exit, 0)
  assert.equal((await place.oxbow(['secret', 'set', 'TOKEN'], planted, first)).exit, 0)
  assert.equal((await place.oxbow(['store', 'encrypt'], '', first)).exit, 0)
  assert.notEqual(readFileSync(place.database).toString('latin1', 0, 15), 'SQLite format 3')
  assert.deepEqual(filesWith(place.home, 'correct horse'), [])

  const before = readFileSync(place.database)
  const wrong = await place.oxbow(['audit', 'verify'], '', second)
  assert.notEqual(wrong.exit, 0)
  assert.match(wrong.err, /encrypted with another key or passphrase/)
  const none = await place.oxbow(['audit', 'verify'])
  assert.match(none.err, /OXBOW_PASSPHRASE is not set/)
  assert(readFileSync(place.database).equals(before), 'nothing was touched')
  assert.match((await place.oxbow(['audit', 'verify'], '', first)).out, /The journal verifies/)

  const backup = join(place.home, 'copy.oxbow-backup')
  assert.equal((await place.oxbow(['store', 'backup', backup], '', first)).exit, 0)
  assert(existsSync(backup) && !readFileSync(backup).includes('journal_session'), 'a backup of an encrypted store is encrypted')

  using elsewhere = homeFolder()
  const keyless = await elsewhere.oxbow(['restore', backup])
  assert.match(
    keyless.err,
    /error: The database in the backup is encrypted, and this home has no key\.\nhint: .*oxbow restore .* --key FILE/,
  )
  assert(!existsSync(elsewhere.database))
  const key = join(place.home, 'runner', 'keys', 'default.json')
  assert.equal((await elsewhere.oxbow(['restore', backup, '--key', key], '', first)).exit, 0)

  const change = await place.oxbow(['store', 'rekey'], '', { ...first, OXBOW_NEW_PASSPHRASE: second.OXBOW_PASSPHRASE })
  assert.equal(change.exit, 0, change.err)
  assert.notEqual((await place.oxbow(['secret', 'list'], '', first)).exit, 0)
  assert.match((await place.oxbow(['secret', 'list'], '', second)).out, /TOKEN/)
  assert.equal((await place.oxbow(['run', 'help'], '', second)).exit, 0)
  assert.equal((await place.oxbow(['store', 'decrypt'], '', second)).exit, 0)
  assert.match((await place.oxbow(['audit', 'verify'], '', second)).out, /The journal verifies/)
})

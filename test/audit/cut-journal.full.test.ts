/** What the runner has signed must be there: a journal whose end was cut off, in an export of it, and the heads of two versions of the program. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPrivateKey, sign } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { signedHeadText } from '../../src/protocol/index.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

const verifier = fileURLToPath(new URL('../../bin/oxbow-verify.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'oxbow-cut-'))
const made = join(folder, 'made')

function oxbow(home: string, ...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

const copied = (name: string): string => {
  cpSync(made, join(folder, name), { recursive: true })
  return join(folder, name)
}
const userOf = (home: string): string => readdirSync(join(home, 'users'))[0] ?? ''
const database = (home: string) => new Sqlite(join(home, 'users', userOf(home), 'internal', 'oxbow.db'))
const headLines = (home: string): readonly string[] =>
  readFileSync(join(home, 'runner', 'heads', `${userOf(home)}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')

/** @returns how the export of this home ended, and the answer of the verifier to it, with the key that the person has kept */
function verified(home: string): { readonly exported: number | null; readonly status: number | null; readonly stdout: string } {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const run = (...args: readonly string[]) => spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
  const [file, key] = [join(home, 'export.jsonl'), join(home, 'key.pem')]
  const exported = run('audit', 'export')
  writeFileSync(file, exported.stdout)
  writeFileSync(key, run('audit', 'key').stdout)
  const { status, stdout } = spawnSync(process.execPath, [verifier, file, '--key', key], { encoding: 'utf8' })
  return { exported: exported.status, status, stdout }
}

before(() => {
  mkdirSync(made)
  shareCompileCache(made)
  assert.equal(oxbow(made, 'run', 'what time is it').status, 0)
})
after(() => rmSync(folder, { recursive: true, force: true }))

test('the last record of a clean stop is under a signed head', () => {
  const db = database(made)
  const last = db.prepare('select seq, hash from journal order by seq desc limit 1').get() as { seq: number; hash: string }
  db.close()
  const head = JSON.parse(headLines(made).at(-1) ?? '') as { seq: number; hash: string }
  assert.deepEqual({ seq: head.seq, hash: head.hash }, last)
})

test('an export of a journal whose end was cut off does not verify', () => {
  const home = copied('cut')
  assert.deepEqual([verified(home).status, oxbow(home, 'audit', 'verify').status], [0, 0])
  const db = database(home)
  db.exec('delete from journal where seq >= (select max(seq) - 1 from journal)')
  db.close()
  const { exported, status, stdout } = verified(home)
  assert.deepEqual([exported, status], [17, 12])
  assert.match(stdout, /does NOT verify: the runner has signed record \d+ on .*, and the file ends with record \d+: its end was cut off/)
  assert.equal(oxbow(home, 'audit', 'verify').status, 17)
})

test('an export of a restored journal verifies, although the heads before it name other records', () => {
  const home = copied('restored')
  const backup = join(home, 'a.oxbow-backup')
  assert.equal(oxbow(home, 'backup', backup).status, 0)
  assert.equal(oxbow(home, 'run', 'what time is it').status, 0)
  const restored = oxbow(home, 'restore', backup, '--replace', '--yes')
  assert.equal(restored.status, 0, restored.text)
  assert.equal(oxbow(home, 'run', 'what time is it').status, 0)
  const { status, stdout } = verified(home)
  assert.equal(status, 0, stdout)
  assert.equal(oxbow(home, 'audit', 'verify').status, 0)
})

test('a head of an older version is named with what to do, and this version signs over it', () => {
  const home = copied('older')
  const { seq, hash } = JSON.parse(headLines(home).at(-1) ?? '') as { seq: number; hash: string }
  const key = createPrivateKey(readFileSync(join(home, 'runner', 'signing-key.pem')))
  const head = { seq, hash, at: Date.now() }
  const signature = sign(null, Buffer.from(signedHeadText(userOf(home), head)), key).toString('base64')
  appendFileSync(join(home, 'runner', 'heads', `${userOf(home)}.jsonl`), `${JSON.stringify({ ...head, signature })}\n`)
  const then = oxbow(home, 'audit', 'verify')
  assert.equal(then.status, 0, then.text)
  assert.match(then.text, /1 signed head is from another version of Oxbow, outside of the chain: start this version once/)
  assert.equal(verified(home).status, 0)
  assert.equal(oxbow(home, 'run', 'what time is it').status, 0)
  const now = oxbow(home, 'audit', 'verify')
  assert.equal(now.status, 0, now.text)
  assert.doesNotMatch(now.text, /another version/)
  assert.equal(verified(home).status, 0)
})

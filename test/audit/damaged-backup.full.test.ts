/** A backup of a journal that does not verify: it warns, a restore refuses it, and on request restores it and says what is not proven. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { scaled } from '../support/scale.ts'

const folder = mkdtempSync(join(tmpdir(), 'oxbow-damaged-'))
const made = join(folder, 'made')

function oxbow(home: string, ...args: readonly string[]): { readonly status: number | null; readonly text: string } {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

/** A copy of the home with a change that no Oxbow made. */
function edited(name: string, sql: string): string {
  const home = join(folder, name)
  cpSync(made, home, { recursive: true })
  const [user = ''] = readdirSync(join(home, 'users'))
  const db = new Sqlite(join(home, 'users', user, 'internal', 'oxbow.db'))
  db.exec(sql)
  db.close()
  return home
}

before(() => {
  mkdirSync(made)
  shareCompileCache(made)
  assert.equal(oxbow(made, 'run', 'what time is it').status, 0)
})
after(() => rmSync(folder, { recursive: true, force: true }))

const damages = [
  ['a changed record', 'update journal set at = at + 1 where seq = 3', /record 3: .*; nothing behind it was checked/, /first bad record 3/],
  ['edited labels', "update session set labels = 'private'", /session .*labels/, /outside the journal: session .*labels/],
] as const

for (const [what, sql, why, named] of damages.slice(0, scaled(damages.length, 1))) {
  test(`a backup with ${what} warns, is not restored unasked, and is restored on request with a record of what is not proven`, () => {
    const home = edited(what.replace(' ', '-'), sql)
    const backup = join(home, 'a.oxbow-backup')
    const backedUp = oxbow(home, 'backup', backup)
    assert.equal(backedUp.status, 0, backedUp.text)
    assert.match(backedUp.text, /WARNING: the journal in this backup does not verify/)
    assert.match(backedUp.text, why)
    assert.match(backedUp.text, /oxbow restore .* --accept-damage/)

    const refused = oxbow(home, 'restore', backup, '--replace', '--yes')
    assert.notEqual(refused.status, 0)
    assert.match(refused.text, /does not verify/)
    assert.match(refused.text, why)
    assert.match(refused.text, /--accept-damage[^]*Nothing was changed/)

    const restored = oxbow(home, 'restore', backup, '--replace', '--yes', '--accept-damage')
    assert.equal(restored.status, 0, restored.text)
    assert.match(restored.text, /Not proven, and recorded with this restore:/)
    assert.match(restored.text, why)
    const shown = oxbow(home, 'audit', 'show', '--json', '--limit', '20')
    const records = shown.text
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as { name: string; phase: string; body: string }] : []))
    const record = records.find(({ name, phase }) => /restore/.test(name) && phase === 'intent')
    assert.match(record?.body ?? shown.text, /"accepted":\[/)
    assert.match(record?.body ?? '', why)

    const verified = oxbow(home, 'audit', 'verify')
    assert.equal(verified.status, 17, verified.text)
    assert.match(verified.text, named)
    // The home goes on.
    assert.equal(oxbow(home, 'run', 'what time is it').status, 0)
  })
}

/** What the product promises, checked through the program as a person runs it; the rest is in test/acceptance.test.ts. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { tamper } from '../src/store/store-fixture.ts'
import { errorTable } from '../src/base/index.ts'
import { type Home, openHome, type Ran } from './support/program.ts'

let home: Home

before(async () => {
  home = await openHome('[memory]\nembedder = "none"\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

/** @throws unless it went well */
async function oxbow(...args: readonly string[]): Promise<Ran> {
  const ran = await home.oxbow(args)
  assert.equal(ran.exit, 0, `${args.join(' ')}: ${ran.err}${ran.out}`)
  return ran
}

const folderOf = (user: string): string => join(home.folder, 'users', user)

describe('a backup', () => {
  it('brings back sessions, files, documents and memories after everything was deleted', async () => {
    const ann = ['--user', 'ann']
    // One guest for what is kept, and one for what came back.
    await oxbow('start', ...ann)
    await oxbow('run', 'write "kept" to notes/plan.txt', '--yes', ...ann)
    await oxbow('state', 'save', 'projects/oxbow', '{"status": "active"}', ...ann)
    await oxbow('memory', 'add', 'The release is on Friday.', ...ann)
    const looks = [['sessions'], ['state', 'load', 'projects/oxbow'], ['memory', 'search', 'release']]
    const outputs = async (): Promise<readonly string[]> => {
      const found: string[] = []
      for (const look of looks) found.push((await oxbow(...look, ...ann)).out)
      return found
    }
    const shown = await outputs()
    const backup = join(home.folder, 'ann.backup')
    await oxbow('store', 'backup', backup, ...ann)
    await oxbow('stop', ...ann)
    rmSync(folderOf('ann'), { recursive: true })
    mkdirSync(folderOf('ann'), { recursive: true })
    await oxbow('store', 'restore', backup, '--replace', ...ann)
    await oxbow('start', ...ann)
    assert.deepEqual(await outputs(), shown)
    await oxbow('stop', ...ann)
    assert.equal(readFileSync(join(folderOf('ann'), 'shared/notes/plan.txt'), 'utf8').trim(), 'kept')
    await oxbow('audit', 'verify', ...ann)
  })
})

describe('a journal in which one byte was changed', () => {
  it('fails the audit, which names the record', async () => {
    const eve = ['--user', 'eve']
    await oxbow('run', 'help', ...eve)
    await oxbow('audit', 'verify', ...eve)
    const database = join(folderOf('eve'), 'internal/oxbow.db')
    for (const seq of [1, 3]) {
      const change = (from: string, to: string): void =>
        tamper(database, `update journal set body = replace(body, '${from}', '${to}') where seq = ${seq}`)
      change('{', '[')
      const { exit, out, err } = await home.oxbow(['audit', 'verify', ...eve])
      assert.equal(exit, errorTable.audit_failed.exit, out + err)
      assert.match(out, new RegExp(`first bad record ${seq}: its content was changed`))
      change('[', '{')
    }
  })
})

describe('a mistake of a person', () => {
  it('is answered with what is wrong and what to do: empty input, an unknown key, a program that is not installed', async () => {
    for (const text of ['', '   ']) {
      const { exit, err } = await home.oxbow(['run', text])
      assert.equal(exit, errorTable.bad_input.exit, err)
      assert.match(err, /^error: .*\nhint: /)
    }
    mkdirSync(folderOf('bob'), { recursive: true })
    writeFileSync(join(folderOf('bob'), 'config.toml'), '[modle]\nname = "x"\n')
    const unknown = await home.oxbow(['run', 'help', '--user', 'bob'])
    assert.equal(unknown.exit, 0, unknown.err)
    assert.match(unknown.err.replaceAll(/\n +/g, ' '), /warning: .*line 1, modle: unknown key; did you mean model\? It has no effect/)
    mkdirSync(folderOf('fay'), { recursive: true })
    writeFileSync(join(folderOf('fay'), 'config.toml'), '[aproval]\nmode = "manual"\n')
    const mistyped = await home.oxbow(['run', 'help', '--user', 'fay'])
    assert.equal(mistyped.exit, errorTable.bad_config.exit)
    assert.match(mistyped.err, /aproval[^]*\nhint: /)
    const missing = await home.oxbow(['run', 'run no-such-program --version', '--yes'])
    assert.match(missing.out, /no-such-program: command not found/)
    assert.doesNotMatch(missing.err, / at .*\.[jt]s:\d/)
  })

  it('does not happen when several programs begin at once: one guest answers all', async () => {
    const all = await Promise.all(Array.from({ length: 4 }, () => home.oxbow(['run', 'what is 2 + 2', '--user', 'carl'])))
    for (const { exit, out, err } of all) assert.deepEqual([exit, /\b4\b/.test(out)], [0, true], out + err)
    assert.equal((await oxbow('sessions', '--user', 'carl')).out.trim().split('\n').length, all.length)
  })
})

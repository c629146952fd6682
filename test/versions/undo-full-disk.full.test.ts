/** An undo for which the disk has no space: all is as before, with an error that says what to do; and with space it is done. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openHome } from '../support/program.ts'

const diskBytes = 160e6
const fileBytes = 400_000
/** Left free: less than the files take, more than a guest needs to go on. */
const freeBytes = 9e6
const names = Array.from({ length: 100 }, (_, at) => `f${at}.bin`)

const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const scenario = {
  turns: [
    {
      match: 'Shorten',
      steps: [
        call('shell_exec', { command: `for file in ${names.join(' ')}; do echo short > /shared/$file; done` }),
        call('memory_save', { content: 'The files are short now.' }),
        { events: [{ text: 'Done.' }] },
      ],
    },
  ],
}

test('an undo on a full disk leaves files and notes as they are, and is done once there is space', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-full-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    rmSync(folder, { recursive: true })
    t.skip(`a small disk cannot be mounted here: ${String(error)}. Run it as root.`)
    return
  }
  try {
    writeFileSync(join(folder, 'scenario.json'), JSON.stringify(scenario))
    const config = `[model]\nprovider = "scripted"\nscenario = "${join(folder, 'scenario.json')}"\n[memory]\nembedder = "none"\n`
    const place = join(folder, 'home')
    mkdirSync(place)
    writeFileSync(join(place, 'config.toml'), `${config}[approval]\nprivileged = "allow"\n`)
    await using home = await openHome('', place)
    const shared = (name: string): string => join(home.folder, 'users', 'default', 'shared', name)
    for (const [at, name] of names.entries()) {
      writeFileSync(shared(name), Buffer.alloc(fileBytes, at))
      // Where tests run as root, hands have a user of their own.
      chmodSync(shared(name), 0o666)
    }
    assert.equal((await home.oxbow(['run', 'Shorten'])).exit, 0)
    const isShort = (): boolean => names.every((name) => readFileSync(shared(name), 'utf8') === 'short\n')
    const notes = async (): Promise<string> => (await home.oxbow(['memory', 'search', 'files are short'])).out
    assert.ok(isShort())
    assert.match(await notes(), /The files are short now\./)

    const { bavail, bsize } = statfsSync(folder)
    writeFileSync(join(folder, 'fill'), Buffer.alloc(bavail * bsize - freeBytes))
    const refused = await home.oxbow(['undo', '--yes'])
    assert.notEqual(refused.exit, 0)
    assert.match(refused.err, /Nothing was changed, because the disk is full: f0\.bin[^]*hint: Free some space/)
    assert.ok(isShort())
    assert.match(await notes(), /The files are short now\./)

    rmSync(join(folder, 'fill'))
    const done = await home.oxbow(['undo', '--yes'])
    assert.equal(done.exit, 0, done.err)
    for (const [at, name] of names.entries()) assert.ok(readFileSync(shared(name)).equals(Buffer.alloc(fileBytes, at)), name)
    assert.doesNotMatch(await notes(), /The files are short now\./)
  } finally {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  }
})

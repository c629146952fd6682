/** A plan for whose files the disk has no space: all of them are as before, nothing else of it is done, and with space it is applied. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openHome } from '../support/program.ts'

const diskBytes = 200e6
const fileBytes = 400_000
/** Left free: less than the files take, more than a guest needs to go on. */
const freeBytes = 9e6
const names = Array.from({ length: 100 }, (_, at) => `f${at}.bin`)

const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const command = `for file in ${names.join(' ')}; do head -c ${fileBytes} /dev/urandom > /shared/$file; done`
const scenario = {
  turns: [
    {
      match: 'Grow',
      steps: [
        call('shell_exec', { command }),
        call('memory_save', { content: 'The files are long now.' }),
        { events: [{ text: 'Done.' }] },
      ],
    },
  ],
}

test('a plan on a full disk leaves files and notes as they are, and is applied once there is space', async (t) => {
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
    const place = join(folder, 'home')
    mkdirSync(place)
    const model = `[model]\nprovider = "scripted"\nscenario = "${join(folder, 'scenario.json')}"\n[memory]\nembedder = "none"\n`
    writeFileSync(join(place, 'config.toml'), `${model}[agent]\nrights = ["shell.run", "memory.read", "memory.write"]\n`)
    await using home = await openHome('', place)
    const shared = (name: string): string => join(home.folder, 'users', 'default', 'shared', name)
    for (const name of names) {
      writeFileSync(shared(name), `old ${name}\n`)
      // Where tests run as root, hands have a user of their own.
      chmodSync(shared(name), 0o666)
    }
    const [plan] = await home.json<{ id: string; digest: string; total: number }>('plan', 'Grow')
    assert.equal(plan!.total, names.length)
    const apply = ['apply', plan!.id, '--digest', plan!.digest]
    const notes = async (): Promise<string> => (await home.oxbow(['memory', 'search', 'files are long'])).out
    const assertOld = (): void => {
      for (const name of names) assert.equal(readFileSync(shared(name), 'utf8'), `old ${name}\n`, name)
    }

    const { bavail, bsize } = statfsSync(folder)
    writeFileSync(join(folder, 'fill'), Buffer.alloc(bavail * bsize - freeBytes))
    const refused = await home.oxbow(apply)
    t.diagnostic(refused.err)
    assert.notEqual(refused.exit, 0, refused.out)
    assert.match(refused.err, /Nothing was changed, the disk is full: \/shared\/f0\.bin[^]*hint: Free some space/)
    assertOld()
    assert.doesNotMatch(await notes(), /The files are long now\./)

    rmSync(join(folder, 'fill'))
    const done = await home.oxbow(apply)
    assert.equal(done.exit, 0, done.err)
    for (const name of names) assert.equal(readFileSync(shared(name)).length, fileBytes, name)
    assert.match(await notes(), /The files are long now\./)
    assert.equal((await home.oxbow(['undo', '--yes'])).exit, 0)
    assertOld()
  } finally {
    execFileSync('umount', ['--lazy', folder])
    rmSync(folder, { recursive: true, force: true })
  }
})

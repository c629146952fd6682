/** A program and a persona as a person uses them: by the built command line, in a fresh home, with a guest that runs already and without. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { type Home, openHome, type Ran } from '../support/program.ts'

const example = fileURLToPath(new URL('../../examples/programs/note', import.meta.url))
const config = '[model]\nprovider = "offline"\n[memory]\nembedder = "none"\n'

type Door = Pick<Home, 'folder' | 'oxbow'> & AsyncDisposable

/** Each verb starts a guest of its own, which ends with it. */
async function oneShot(): Promise<Door> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
  writeFileSync(join(folder, 'config.toml'), config)
  shareCompileCache(folder)
  const env = { PATH: process.env['PATH'], HOME: folder, OXBOW_HOME: folder }
  return {
    folder,
    oxbow: (args) =>
      new Promise<Ran>((resolve) => {
        const child = spawn(process.execPath, [program, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
        const said = { out: '', err: '' }
        child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
        child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
        child.once('close', (exit) => resolve({ exit, ...said }))
      }),
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

for (const [how, open] of [
  ['one verb at a time', oneShot],
  ['with a guest that runs', () => openHome(config)],
] as const)
  test(`a program is installed and run, and a persona answers, ${how}`, async () => {
    await using door: Door = await open()
    const says = async (line: string, expected: RegExp): Promise<void> => {
      const { exit, out, err } = await door.oxbow(line.split(' '))
      assert.equal(exit, 0, `${line}: ${out}${err}`)
      assert.match(out, expected, line)
    }
    cpSync(example, join(door.folder, 'note'), { recursive: true })
    await says('program verify ./note', /It can run/)
    await says('program install ./note --yes', /Installed note 1\.0\.0/)
    await says('program run note --input text=hello', /^ +1\thello\n/)
    assert.equal(readFileSync(join(door.folder, 'users/default/shared/notes/note.txt'), 'utf8'), 'hello')
    await says('program runs --all', /note +1\.0\.0 +success/)

    await says('persona new dev', /Made the persona dev/)
    await says('run hi', /Hello/)
    await says('persona use dev', /dev answers from the next message on/)
    await says('persona list', /dev +person +ready +persona +1 conversation/)
    await says('persona use', /The usual agent answers/)
    await says('persona list', /0 of at most/)
  })

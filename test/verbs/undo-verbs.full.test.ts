/** Versions and undo as a person has them: one start for each message, in a home of its own, and what they edit between. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { program } from '../support/built.ts'
import type { Ran } from '../support/program.ts'
import { shareCompileCache } from '../support/compile-cache.ts'

let home = ''
const shared = (name: string): string => join(home, 'users', 'default', 'shared', name)

async function run(args: readonly string[], input: string): Promise<Ran> {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const child = spawn(process.execPath, [program, ...args], { env, cwd: home })
  child.stdin.end(input)
  const [[exit], out, err] = await Promise.all([once(child, 'close'), text(child.stdout), text(child.stderr)])
  return { exit: exit as number | null, out, err }
}

async function oxbow(args: readonly string[], input = ''): Promise<string> {
  const { exit, out, err } = await run(args, input)
  assert.equal(exit, 0, `oxbow ${args.join(' ')}: ${out}${err}`)
  return out
}

async function refused(args: readonly string[]): Promise<string> {
  const { exit, out, err } = await run(args, '')
  assert.notEqual(exit, 0, out)
  return err
}

const subjects = async (): Promise<readonly string[]> =>
  (await oxbow(['log', '--json']))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { subject: string }).subject)

before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-undo-'))
  shareCompileCache(home)
})
after(() => rmSync(home, { recursive: true, force: true }))

describe('versions of turns, each in a guest of its own', () => {
  it('are there when the program has ended', async () => {
    for (const at of [1, 2, 3]) await oxbow(['run', `write 'v${at}' to f.txt`])
    assert.deepEqual(await subjects(), [...[3, 2, 1].map((at) => `write 'v${at}' to f.txt`), 'Before the first change'])
  })

  it('are not there for a turn that only made folders, and undo says so', async () => {
    const [own, usual] = [mkdtempSync(join(tmpdir(), 'oxbow-folders-')), home]
    home = own
    try {
      await oxbow(['run', '--yes', 'run mkdir later'])
      assert.match(await refused(['undo', '--yes']), /no turn to undo.*\nhint: Versions hold files: a turn that only made folders/)
    } finally {
      home = usual
      rmSync(own, { recursive: true, force: true })
    }
  })

  it('are there for messages that are piped to a chat', async () => {
    await oxbow(['chat'], "write 'one' to p.txt\nwrite 'two' to p.txt\n")
    assert.deepEqual((await subjects()).slice(0, 2), ["write 'two' to p.txt", "write 'one' to p.txt"])
  })

  it('are there for a command that removes files of a folder of the person, and it is undone', async () => {
    const project = mkdtempSync(join(tmpdir(), 'oxbow-project-'))
    mkdirSync(join(project, 'src'))
    for (const name of ['src/a.js', 'src/b.js', 'README.md', '.env']) writeFileSync(join(project, name), `${name}\n`)
    // Where tests run as root, hands have a user of their own.
    for (const name of ['', 'src', 'src/a.js', 'src/b.js', 'README.md', '.env']) chmodSync(join(project, name), 0o777)
    await oxbow(['folder', 'add', project, '--as', 'project'])
    await oxbow(['run', '--folder', project, '--yes', 'run `rm -r /shared/project/src /shared/project/.env`'])
    assert.ok(!existsSync(join(project, 'src')))
    assert.match(await oxbow(['undo', '--yes']), /^Restored 3 files as they were before this turn\.\n.*\n?`oxbow redo` brings it back\./)
    for (const name of ['src/a.js', 'src/b.js', 'README.md', '.env']) assert.equal(readFileSync(join(project, name), 'utf8'), `${name}\n`)
    rmSync(project, { recursive: true })
  })
})

describe('versions of turns, in one guest', () => {
  before(() => oxbow(['start']))
  after(() => oxbow(['stop']))

  it('are not there for a name that no version has, which is said with the name that was meant', async () => {
    for (const args of [
      ['log', 'nosuch.txt'],
      ['restore', 'nosuch.txt', '--to', 'HEAD'],
      ['restore', 'nosuch.txt', '--to', 'HEAD', '--yes'],
    ])
      assert.match(await refused(args), /No version has nosuch\.txt\./)
    assert.match(await refused(['log', 'F.txtt']), /No version has F\.txtt\.[^]*Did you mean f\.txt\?/)
  })

  it('are undone without what the person has edited since', async () => {
    writeFileSync(shared('mine.txt'), 'first')
    await oxbow(['run', "write 'of the agent' to mine.txt"])
    writeFileSync(shared('other.txt'), 'mine too')
    assert.match(await oxbow(['undo', '--yes']), /^Restored mine\.txt as it was before this turn\./)
    assert.equal(readFileSync(shared('mine.txt'), 'utf8'), 'first')
    assert.equal(readFileSync(shared('other.txt'), 'utf8'), 'mine too')
    await oxbow(['redo', '--yes'])
    assert.equal(readFileSync(shared('mine.txt'), 'utf8'), 'of the agent')
  })
})

/** Changes to the person's folders while a guest runs: `oxbow folder` and `--folder` reach it, or no turn begins. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../support/program.ts'

let home: Home
let projects = ''

/** As root, hands have a uid of their own, which must be able to write here. */
function project(name: string): string {
  const path = join(projects, name)
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o777)
  return path
}

before(async () => {
  projects = realpathSync(mkdtempSync(join(tmpdir(), 'projects-')))
  chmodSync(projects, 0o777)
  home = await openHome('[memory]\nembedder = "none"\n')
})

after(async () => {
  await home[Symbol.asyncDispose]()
  rmSync(projects, { recursive: true })
})

const writeTo = (path: string): string => `write 'done' to ${path}`

test('a turn with --folder works there, with a guest that started before the folder was added', async () => {
  const path = project('first')
  const added = await home.oxbow(['folder', 'add', path])
  assert.equal(added.exit, 0, added.err)
  assert.match(added.out, /Agents see .*first as \/shared\/first\./)
  const ran = await home.oxbow(['run', '--yes', '--folder', path, writeTo('f.txt')])
  assert.equal(ran.exit, 0, ran.err)
  assert.equal(readFileSync(join(path, 'f.txt'), 'utf8'), 'done')
})

test('a folder that is taken away is gone for agents at once, and comes back as it is asked for', async () => {
  const path = project('second')
  await home.oxbow(['folder', 'add', path])
  assert.equal((await home.oxbow(['run', '--yes', writeTo('/shared/second/a.txt')])).exit, 0)
  assert.ok(existsSync(join(path, 'a.txt')))
  const removed = await home.oxbow(['folder', 'remove', 'second'])
  assert.equal(removed.exit, 0, removed.err)
  assert.match(removed.out, /Agents no longer see/)
  await home.oxbow(['run', '--yes', writeTo('/shared/second-not/b.txt')])
  assert.equal((await home.oxbow(['call', 'file.list', '{"path":"/shared/second"}'])).out.includes('a.txt'), false)
  assert.deepEqual((await home.oxbow(['folder', 'add', path, '--read-only'])).exit, 0)
  const ran = await home.oxbow(['run', '--yes', writeTo('/shared/second/c.txt')])
  assert.equal(existsSync(join(path, 'c.txt')), false, ran.out)
  assert.equal((await home.oxbow(['folder', 'add', path])).exit, 0)
  await home.oxbow(['run', '--yes', '--folder', path, writeTo('/shared/second/d.txt')])
  assert.ok(existsSync(join(path, 'd.txt')), 'writable again')
})

test('two folders at once, and a subfolder of one', async () => {
  const paths = [project('third'), project('fourth'), project('third/sub')]
  await Promise.all(paths.slice(0, 2).map((path) => home.oxbow(['folder', 'add', path])))
  const listed = await home.json<{ name: string }>('folder', 'list')
  for (const path of paths.slice(0, 2))
    assert.ok(
      listed.some(({ name }) => name === basename(path)),
      `${path} is on the list`,
    )
  const ran = await home.oxbow(['run', '--yes', '--folder', paths[2]!, writeTo('e.txt')])
  assert.ok(existsSync(join(paths[2]!, 'e.txt')), ran.err)
})

test('a folder that can never be added is refused with no advice to add it', async () => {
  const { exit, err } = await home.oxbow(['run', '--folder', home.folder, 'hi'])
  assert.notEqual(exit, 0)
  assert.match(err, /Oxbow keeps its own files there/)
  assert.doesNotMatch(err, /folder add/)
})

test('where the folder has vanished no turn begins, and the reason is said', async () => {
  const path = project('fifth')
  await home.oxbow(['folder', 'add', path])
  renameSync(path, `${path}-away`)
  const sessions = (await home.json<object>('sessions')).length
  const ran = await home.oxbow(['run', '--yes', '--folder', path, writeTo('/shared/fifth/f.txt')])
  assert.notEqual(ran.exit, 0)
  assert.match(ran.err, /does not exist/)
  assert.equal((await home.json<object>('sessions')).length, sessions)
  renameSync(`${path}-away`, path)
})

test('a folder that is added while a command runs is the person’s: an undo of the turn leaves it', async () => {
  const path = project('eighth')
  writeFileSync(join(path, 'mine.txt'), 'of the person')
  const [started, go] = ['started', 'go'].map((name) => join(home.folder, 'users', 'default', 'shared', name))
  const ran = home.oxbow(['run', '--yes', 'run `echo s > started; while [ ! -e go ]; do sleep 0.1; done; echo d > done.txt`'])
  while (!existsSync(started!)) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal((await home.oxbow(['folder', 'add', path])).exit, 0)
  writeFileSync(go!, '')
  assert.equal((await ran).exit, 0)
  const undone = await home.oxbow(['undo', '--yes'])
  assert.match(undone.out, /^Restored \d files/, undone.err)
  assert.equal(readFileSync(join(path, 'mine.txt'), 'utf8'), 'of the person')
  assert.equal(existsSync(started!), false)
})

test('an undo or a restore makes no folder anew that agents no longer see, and takes its files back once it is there', async () => {
  const path = project('ninth')
  writeFileSync(join(path, 'mine.txt'), 'of the person')
  chmodSync(join(path, 'mine.txt'), 0o666)
  await home.oxbow(['folder', 'add', path])
  await home.oxbow(['run', '--yes', 'run `rm /shared/ninth/mine.txt`'])
  const [newest] = await home.json<{ commit: string }>('log')
  const turn = newest!.commit.slice(0, 8)
  assert.equal(existsSync(join(path, 'mine.txt')), false)
  await home.oxbow(['folder', 'remove', 'ninth'])
  for (const args of [
    ['undo', '--yes'],
    ['restore', 'ninth/mine.txt', '--to', `${turn}~1`, '--yes'],
  ])
    assert.match((await home.oxbow(args)).err, /Nothing was changed.* ninth\/mine\.txt: agents cannot change that folder now/)
  const other = project('tenth')
  assert.equal((await home.oxbow(['folder', 'add', other, '--as', 'ninth'])).exit, 0)
  assert.match((await home.oxbow(['undo', turn, '--yes'])).err, /another folder has that name now/)
  assert.equal(existsSync(join(other, 'mine.txt')), false)
  await home.oxbow(['folder', 'remove', 'ninth'])
  assert.equal((await home.oxbow(['folder', 'add', path])).exit, 0)
  assert.match((await home.oxbow(['undo', turn, '--yes'])).out, /^Restored ninth\/mine\.txt/)
  assert.equal(readFileSync(join(path, 'mine.txt'), 'utf8'), 'of the person')
})

test('while a job of an agent runs a folder is not added under it, and taking one away ends the job', async () => {
  const path = project('seventh')
  const opened = await home.json<{ id: string }>('call', 'shell.background', '{"command":"sleep 600"}')
  const added = await home.oxbow(['folder', 'add', path])
  assert.match(added.out + added.err, /sleep 600|job-/)
  const ran = await home.oxbow(['run', '--yes', '--folder', path, writeTo('/shared/seventh/f.txt')])
  assert.notEqual(ran.exit, 0)
  assert.match(ran.err, /job|shell/)
  assert.equal(existsSync(join(path, 'f.txt')), false)
  assert.equal((await home.oxbow(['folder', 'remove', 'first'])).exit, 0)
  assert.equal((await home.oxbow(['run', '--yes', '--folder', path, writeTo('/shared/seventh/f.txt')])).exit, 0)
  assert.ok(existsSync(join(path, 'f.txt')))
  assert.ok(opened.length > 0)
})

/** Installing programs: from folders, archives and git repositories, with what is refused. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { openHome, type Home } from '../home.ts'
import { discard } from '../plugins/install.ts'
import { signFolder } from '../plugins/author.ts'
import { changeProgram, commitProgram, stageProgram } from './install-program.ts'
import { definitionsOf, programsLock, versionFolderOf } from './installed-programs.ts'
import { newProgram } from './new-program.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-programs-'))
after(() => {
  execFileSync('chmod', ['-R', 'u+w', root])
  rmSync(root, { recursive: true, force: true })
})
const env = { PATH: process.env['PATH'], HOME: root }
const nowhere = join(root, 'none')

function homeNamed(name: string): Home {
  return openHome({ OXBOW_HOME: join(root, name) })
}

async function folderOf(name: string, at: string, version = '1.0.0'): Promise<string> {
  const folder = join(root, at, name)
  mkdirSync(join(root, at), { recursive: true })
  await newProgram(folder)
  const manifest = join(folder, 'program.toml')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('0.1.0', version))
  return folder
}

async function install(home: Home, from: string, expected?: string) {
  const staged = await stageProgram(home, env, from, expected)
  try {
    await commitProgram(home, staged, 'ada', 0)
    return staged.view
  } finally {
    await discard(staged.folder)
  }
}

const listed = (home: Home, bundled = nowhere) => definitionsOf(home, [home.root], bundled).filter(({ kind }) => kind === 'programs')

test('an update is on trial, goes back to the version before, and a removed program is gone', async () => {
  const home = homeNamed('update')
  const folder = await folderOf('tidy', 'update-source')
  const first = await install(home, folder)
  assert.equal(first.before, null)
  assert.deepEqual(
    listed(home).map(({ name, place, trial }) => [name, place, trial]),
    [['tidy', 'installed', undefined]],
  )
  writeFileSync(join(folder, 'main.js'), 'export default () => ({ lines: 0 })')
  const second = await install(home, '', 'tidy')
  assert.equal(second.before?.hash, first.hash)
  assert.equal(listed(home)[0]?.trial, second.hash)
  // An answer about other files changes nothing.
  assert.deepEqual(await changeProgram(home, 'tidy', 'rollback', first.hash), { changed: false, version: '1.0.0' })
  assert.deepEqual(await changeProgram(home, 'tidy', 'rollback', second.hash), { changed: true, version: '1.0.0' })
  assert.match(listed(home)[0]?.script ?? '', /file\.read/)
  await assert.rejects(changeProgram(home, 'tidy', 'rollback'), { code: 'not_found' })
  await changeProgram(home, 'tidy', 'remove')
  assert.deepEqual(listed(home), [])
  assert.equal(existsSync(join(home.root, 'programs', '.installed', 'tidy')), false)
})

test('an installed file that somebody changes does not run, and a changed list counts for nothing', async () => {
  const home = homeNamed('changed')
  await install(home, await folderOf('tidy', 'changed-source'))
  const { programs } = JSON.parse(readFileSync(programsLock.path(home), 'utf8')) as { programs: [{ name: string; folder: string }] }
  const script = join(versionFolderOf(home, programs[0]), 'main.js')
  chmodSync(script, 0o644)
  writeFileSync(script, 'export default () => 1')
  assert.match(listed(home)[0]?.problem ?? '', /not those that were approved/)
  writeFileSync(programsLock.path(home), readFileSync(programsLock.path(home), 'utf8').replace('ada', 'eve'))
  assert.deepEqual(listed(home), [])
  await assert.rejects(install(home, await folderOf('other', 'changed-source')), { code: 'bad_config' })
})

test('a package with a link out, of another name, or without a manifest is refused', async () => {
  const home = homeNamed('refused')
  const linked = await folderOf('linked', 'refused-source')
  symlinkSync('/etc/passwd', join(linked, 'notes.txt'))
  await assert.rejects(install(home, linked), { code: 'path_refused' })
  await assert.rejects(install(home, await folderOf('tidy', 'refused-source'), 'other'), /has the program tidy, and not other/)
  mkdirSync(join(root, 'empty'))
  await assert.rejects(install(home, join(root, 'empty')), { code: 'not_found' })
  assert.deepEqual(listed(home), [])
})

test('an archive needs its hash, and links in it are refused', async () => {
  const home = homeNamed('archive')
  const folder = await folderOf('tidy', 'archive-source')
  const archive = join(root, 'tidy.tgz')
  execFileSync('tar', ['-czf', archive, '-C', join(root, 'archive-source'), 'tidy'])
  const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex')
  await assert.rejects(install(home, archive), new RegExp(`needs the hash`))
  await assert.rejects(install(home, `${archive}#sha256=${'0'.repeat(64)}`), { code: 'denied' })
  const { source } = await install(home, `${archive}#sha256=${sha256}`)
  assert.deepEqual(source, { from: 'archive', place: archive, sha256 })
  symlinkSync('/etc', join(folder, 'etc'))
  execFileSync('tar', ['-czf', archive, '-C', join(root, 'archive-source'), 'tidy'])
  const linked = createHash('sha256').update(readFileSync(archive)).digest('hex')
  await assert.rejects(install(home, `${archive}#sha256=${linked}`), { code: 'path_refused' })
})

test('a program from git is pinned to its commit', async () => {
  const home = homeNamed('git')
  const folder = await folderOf('tidy', 'git-source')
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: folder, encoding: 'utf8' }).trim()
  git('init', '-q', '-b', 'main')
  git('add', '-A')
  git('commit', '-qm', 'one')
  git('tag', 'v1')
  const commit = git('rev-parse', 'HEAD')
  const { source } = await install(home, `git+file://${folder}#v1`)
  assert.deepEqual(source, { from: 'git', url: `file://${folder}`, ref: 'v1', commit })
  for (const bad of ['git+--upload-pack=touch /tmp/x', 'git+ext::sh -c id', `git+file://${folder}#--upload-pack=id`])
    await assert.rejects(install(home, bad), { code: 'bad_input' }, bad)
})

test('a signature counts for its program only', async () => {
  const home = homeNamed('signed')
  const [one, two] = [await folderOf('one', 'signed-source'), await folderOf('two', 'signed-source')]
  await signFolder(one, join(root, 'key.pem'))
  const { signed_by: signer } = await install(home, one)
  assert.match(signer, /^[0-9a-f]{4} /)
  // Of another program, and of files that have changed since.
  writeFileSync(join(two, 'oxbow.program.sig'), readFileSync(join(one, 'oxbow.program.sig')))
  await assert.rejects(install(home, two), { code: 'denied' })
  writeFileSync(join(one, 'main.js'), 'export default () => 1')
  await assert.rejects(install(home, one), { code: 'denied' })
})

test('a program of Oxbow is listed, and only an installed one takes its place', async () => {
  const home = homeNamed('bundled')
  const bundled = join(root, 'bundled-programs')
  await folderOf('guardian', 'bundled-programs')
  assert.deepEqual(
    listed(home, bundled).map(({ name, place, hides }) => [name, place, hides]),
    [['guardian', 'bundled', undefined]],
  )
  const own = await folderOf('guardian', 'bundled/programs', '2.0.0')
  assert.deepEqual(
    listed(home, bundled).map(({ place, hides }) => [place, hides]),
    [['bundled', true]],
  )
  await install(home, own)
  assert.deepEqual(
    listed(home, bundled).map(({ place, hides }) => [place, hides]),
    [['installed', true]],
  )
})

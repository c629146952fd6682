/** Installing programs through the command line: from each kind of source, what is refused, updates that fail, and runs that keep their version. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRegistry } from '../support/npm-registry.ts'
import type { Home } from '../support/program.ts'
import { type BundledHome, openBundled, type ProgramRun } from './bundled-home.ts'
import { git } from './git.ts'

interface Facts {
  readonly version?: string
  readonly rights?: string
  readonly script?: string
}

const filesOf = (name: string, { version = '1.0.0', rights = '', script = `export default () => '${version}'` }: Facts = {}) => ({
  'program.toml': `[program]\nname = "${name}"\nversion = "${version}"\ndescription = "Says its version."\n\n[rights]\n${rights}\n`,
  'SKILL.md': 'Says its version.\n',
  'main.js': script,
})

function write(home: Home, name: string, facts: Facts = {}, at = 'sources'): string {
  const folder = join(home.folder, at, name)
  mkdirSync(folder, { recursive: true })
  for (const [file, text] of Object.entries(filesOf(name, facts))) writeFileSync(join(folder, file), text)
  return folder
}

/** @returns the archive, and what it is named with */
function archive(home: Home, folder: string, name: string): { readonly path: string; readonly source: string; readonly sha256: string } {
  const path = join(home.folder, `${name}.tgz`)
  execFileSync('tar', ['-czf', path, '-C', join(folder, '..'), name])
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
  return { path, sha256, source: `${path}#sha256=${sha256}` }
}

const installed = async (home: Home): Promise<readonly string[]> => {
  const [list] = await home.json<{ programs: readonly { name: string; place: string; version: string }[] }>('call', 'program.list')
  return list!.programs.filter(({ place }) => place === 'installed').map(({ name, version }) => `${name} ${version}`)
}

async function install(home: Home, ...args: readonly string[]): Promise<void> {
  const { exit, out, err } = await home.oxbow(['program', 'install', ...args, '--yes'])
  assert.equal(exit, 0, out + err)
}

async function refuses(home: Home, args: readonly string[], why: RegExp): Promise<void> {
  const { exit, out, err } = await home.oxbow(['program', ...args])
  assert.notEqual(exit, 0, out)
  assert.match(err, why)
}

const run = async (home: Home, program: string): Promise<ProgramRun<unknown>> => {
  const { out, err } = await home.oxbow(['program', 'run', program, '--json'])
  assert.notEqual(out, '', err)
  return JSON.parse(out.split('\n')[0]!) as ProgramRun<unknown>
}

void test('a program comes from a folder, an archive, an address, npm and git, and runs', async () => {
  await using home = await openBundled([])
  await using registry = await openRegistry()
  await registry.put('packed', { about: { scripts: { postinstall: 'exit 7' } }, files: filesOf('packed') })
  const { npm_config_registry: address, npm_config_cache: cache } = registry.env(join(home.folder, 'npm'))
  writeFileSync(join(home.folder, '.npmrc'), `registry=${address}\ncache=${cache}\n`)

  const filed = archive(home, write(home, 'filed'), 'filed')
  const served = archive(home, write(home, 'served'), 'served')
  const server = createServer(({ url }, response) =>
    url === '/served.tgz' ? response.end(readFileSync(served.path)) : response.writeHead(404).end(),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}/served.tgz`
  const cloned = write(home, 'cloned')
  git(cloned, 'init', '--quiet', '-b', 'main')
  git(cloned, 'add', '--all')
  git(cloned, 'commit', '--quiet', '-m', 'One')
  git(cloned, 'tag', 'v1')
  try {
    await install(home, write(home, 'folder'))
    await install(home, filed.source)
    await install(home, `${at}#sha256=${served.sha256}`)
    await install(home, 'npm:packed@1.0.0')
    await install(home, `git+file://${cloned}#v1`)
    assert.deepEqual(await installed(home), ['cloned 1.0.0', 'filed 1.0.0', 'folder 1.0.0', 'packed 1.0.0', 'served 1.0.0'])
    for (const name of ['cloned', 'filed', 'folder', 'packed', 'served']) assert.equal((await run(home, name)).result, '1.0.0', name)

    await refuses(home, ['install', `${at}#sha256=${'0'.repeat(64)}`, '--yes'], /is not the archive with that hash/)
    await refuses(home, ['install', at, '--yes'], /needs the hash/)
    await refuses(home, ['install', at.replace('served', 'gone') + `#sha256=${served.sha256}`, '--yes'], /answers 404/)
    await refuses(home, ['install', `http://example.org/x.tgz#sha256=${served.sha256}`, '--yes'], /is not encrypted/)
    await refuses(home, ['install', 'npm:packed', '--yes'], /does not name a package with an exact version/)
    await refuses(home, ['install', 'npm:packed@2.0.0', '--yes'], /packed/)
    // What git has under another name is not what was pinned.
    await refuses(home, ['install', `git+file://${cloned}#v2`, '--yes'], /git failed/)
  } finally {
    server.close()
  }
})

void test('links out, other hashes, other names and signatures of others are refused, and nothing is installed', async () => {
  await using home = await openBundled([])
  const linked = write(home, 'linked')
  symlinkSync('/etc/passwd', join(linked, 'notes.txt'))
  await refuses(home, ['install', linked, '--yes'], /link out of the package/)
  await refuses(home, ['install', archive(home, linked, 'linked').source, '--yes'], /is a link/)

  const plain = archive(home, write(home, 'plain'), 'plain')
  await refuses(home, ['install', plain.path, '--yes'], /needs the hash/)
  await refuses(home, ['install', `${plain.path}#sha256=${'0'.repeat(64)}`, '--yes'], /is not the archive with that hash/)
  await refuses(home, ['install', write(home, 'seen'), '--hash', 'f'.repeat(64)], /not the files that were shown/)

  const [one, two] = [write(home, 'one'), write(home, 'two')]
  const signed = await home.oxbow(['plugin', 'sign', one, join(home.folder, 'key.pem')])
  assert.equal(signed.exit, 0, signed.err)
  copyFileSync(join(one, 'oxbow.program.sig'), join(two, 'oxbow.program.sig'))
  await refuses(home, ['install', two, '--yes'], /signature/i)
  assert.deepEqual(await installed(home), [])
  await install(home, one)
  assert.deepEqual(await installed(home), ['one 1.0.0'])
  // An update has the program that it updates.
  await refuses(home, ['update', 'one', write(home, 'other'), '--yes'], /has the program other, and not one/)
  assert.deepEqual(await installed(home), ['one 1.0.0'])
})

void test('an update that asks for more needs its own yes, and one whose first run fails goes back by itself', async () => {
  await using home = await openBundled([])
  const folder = write(home, 'tidy')
  await install(home, folder)
  const more = 'calls = ["file.read"]\npaths = ["/shared"]'
  write(home, 'tidy', { version: '2.0.0', rights: more, script: `export default () => { throw new Error('broken') }` })
  const asked = await home.oxbow(['program', 'update', 'tidy', '--yes'])
  assert.notEqual(asked.exit, 0)
  assert.match(asked.err, /asks for more than 1\.0\.0: make the call file\.read, reach files in \/shared/)
  assert.deepEqual(await installed(home), ['tidy 1.0.0'])

  const [, hash = ''] = /--hash ([0-9a-f]{64})/.exec(asked.err) ?? []
  const updated = await home.oxbow(['program', 'update', 'tidy', '--hash', hash])
  assert.equal(updated.exit, 0, updated.err)
  assert.match(updated.out, /If its first run fails, 1\.0\.0 comes back/)
  assert.deepEqual(await installed(home), ['tidy 2.0.0'])
  const failed = await run(home, 'tidy')
  assert.deepEqual([failed.status, failed.failure?.code], ['failed', 'tool_failed'])
  await waitFor(async () => (await installed(home))[0] === 'tidy 1.0.0')
  assert.equal((await run(home, 'tidy')).result, '1.0.0')

  // One that is good stays.
  write(home, 'tidy', { version: '3.0.0' })
  await home.oxbow(['program', 'update', 'tidy', '--yes'])
  assert.equal((await run(home, 'tidy')).result, '3.0.0')
  await waitFor(async () => (await installed(home))[0] === 'tidy 3.0.0')
})

void test('a run keeps the version with which it began, through an update, a rollback and a removal', async () => {
  await using home = await openBundled([])
  const waits = (version: string) => `export default () => [oxbow.question('Go on?', ['yes']), '${version}']`
  const folder = write(home, 'slow', { script: waits('1.0.0') })
  await install(home, folder)
  const begin = async (): Promise<string> => {
    const { out, err } = await home.oxbow(['program', 'run', 'slow', '--background', '--json'])
    assert.notEqual(out, '', err)
    const { id } = JSON.parse(out) as ProgramRun<unknown>
    await waitFor(async () => (await shown(home, id)).status === 'waiting')
    return id
  }
  const first = await begin()
  write(home, 'slow', { version: '2.0.0', script: waits('2.0.0') })
  const updated = await home.oxbow(['program', 'update', 'slow', '--yes'])
  assert.equal(updated.exit, 0, updated.err)
  const second = await begin()
  const back = await home.oxbow(['program', 'rollback', 'slow'])
  assert.match(back.out, /slow is 1\.0\.0 again/, back.err)
  const third = await begin()
  const removed = await home.oxbow(['program', 'remove', 'slow'])
  assert.equal(removed.exit, 0, removed.err)
  assert.deepEqual(await installed(home), [])
  for (const { call } of (await home.json<readonly { readonly call: string }[]>('call', 'approval.list')).flat())
    await home.oxbow(['call', 'call.decide', JSON.stringify({ call, allow: true })])
  for (const [id, version] of [
    [first, '1.0.0'],
    [second, '2.0.0'],
    [third, '1.0.0'],
  ] as const) {
    await waitFor(async () => !['running', 'waiting'].includes((await shown(home, id)).status))
    const { status, result } = await shown(home, id)
    assert.deepEqual([status, result], ['success', ['yes', version]])
  }
})

async function shown(home: BundledHome, id: string): Promise<ProgramRun<unknown>> {
  const [view] = await home.json<ProgramRun<unknown>>('program', 'show', id)
  return view!
}

async function waitFor(holds: () => Promise<boolean>): Promise<void> {
  for (let left = 60; left > 0; left--) if (await holds()) return
  assert.fail('it never comes true')
}

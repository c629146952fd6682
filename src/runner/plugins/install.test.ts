import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Headers, pack } from 'tar-stream'
import { listTree, manifestFile, signatureFile, signPackage, treeHash } from '../../plugins/index.ts'
import { type ErrorCode, isOxbowError, type JsonObject } from '../../base/index.ts'
import type { LockedPlugin } from '../../protocol/index.ts'
import { parseConfig } from '../../services/index.ts'
import { type Home, lockPath, openHome } from '../home.ts'
import { commitPlugin, discard, removePlugin, type StagedPlugin, stagePlugin, switchPlugin } from './install.ts'
import { verifyInstalled } from './author.ts'
import { listPlugins, versionFolder } from './installed-plugins.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-install-'))
after(async () => {
  for (const name of readdirSync(root)) await discard(join(root, name))
  rmSync(root, { recursive: true })
})
let made = 0
const fresh = (name: string): string => join(root, `${name}${(made += 1)}`)
const newHome = (): Home => openHome({ OXBOW_HOME: fresh('home') })

function write(name: string, more: JsonObject = {}, files: Readonly<Record<string, string>> = { 'index.js': 'export default 1' }): string {
  const folder = fresh(name)
  mkdirSync(folder)
  writeFileSync(join(folder, manifestFile), JSON.stringify({ name, version: '1.0.0', sdk: '^1.0.0', entry: 'index.js', ...more }))
  for (const [path, text] of Object.entries(files)) writeFileSync(join(folder, path), text)
  return folder
}

async function sign(folder: string, key = generateKeyPairSync('ed25519').privateKey): Promise<typeof key> {
  rmSync(join(folder, signatureFile), { force: true })
  writeFileSync(join(folder, signatureFile), signPackage(await listTree(folder), key))
  return key
}

async function stage(home: Home, from: string): Promise<StagedPlugin> {
  return stagePlugin(from, { home, env: process.env })
}

async function add(home: Home, from: string): Promise<LockedPlugin> {
  return commitPlugin(home, await stage(home, from), 'ann', 1)
}

const fails = (code: ErrorCode, about: RegExp) => (error: unknown) => isOxbowError(error, code) && about.test(error.message)
const config = (plugins: object = {}) => parseConfig({ plugins }, 'test')
function loaded(home: Home, settings: object = {}): { readonly names: string; readonly warnings: readonly string[] } {
  const warnings: string[] = []
  const plugins = listPlugins(home, config({ settings }), (text) => warnings.push(text))
  return { names: plugins.map(({ name }) => name).join(' '), warnings }
}

async function tarball(entries: readonly (Headers & { readonly text?: string })[]): Promise<string> {
  const path = fresh('archive')
  const packed = pack()
  for (const { text = '', ...header } of entries) packed.entry(header, text)
  packed.finalize()
  const { createWriteStream } = await import('node:fs')
  await pipeline(packed, createGzip(), createWriteStream(path))
  return path
}

test('a folder is installed, handed to guests in the order of loading, and removed', async () => {
  const home = newHome()
  const base = await add(
    home,
    write('base', { priority: 9, rights: { hosts: ['a.example'], paths: [{ path: '/shared/x', mode: 'write' }] } }),
  )
  await add(
    home,
    write('top', { dependencies: ['base'], configSchema: { type: 'object', properties: { n: { type: 'integer', default: 3 } } } }),
  )
  const plugins = listPlugins(home, config(), assert.fail)
  assert.deepEqual(
    plugins.map(({ name, config: own, hosts, paths }) => ({ name, own, hosts, paths })),
    [
      { name: 'base', own: {}, hosts: ['a.example'], paths: [{ path: '/shared/x', writable: true }] },
      { name: 'top', own: { n: 3 }, hosts: [], paths: [] },
    ],
  )
  assert.equal(await treeHash(versionFolder(home, base)), base.tree_hash)
  await assert.rejects(removePlugin(home, 'base'), fails('bad_input', /top → base/))
  assert.throws(() => switchPlugin(home, 'base', false), fails('bad_input', /top → base/))
  switchPlugin(home, 'top', false)
  assert.equal(loaded(home).names, 'base')
  await removePlugin(home, 'base')
  assert.ok(!existsSync(join(home.root, 'plugins', 'base')))
  assert.throws(() => switchPlugin(home, 'top', true), fails('bad_input', /base is not installed or not enabled: top → base/))
})

test('settings that do not fit leave out only the plugin, and say why', async () => {
  const home = newHome()
  await add(home, write('one', { configSchema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } }))
  await add(home, write('two'))
  const { names, warnings } = loaded(home)
  assert.equal(names, 'two')
  assert.match(warnings.join(), /plugin one is not loaded: in \[plugins\.settings\.one\] of config\.toml n is missing/)
  assert.equal(loaded(home, { one: { n: 1 } }).names, 'one two')
})

test('a plugin with hooks that cannot be loaded is handed to guests with the reason, for what it guards', async () => {
  const home = newHome()
  const rights = { hooks: ['call.before'] }
  await add(home, write('guard', { rights, configSchema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } }))
  await add(home, write('two'))
  const [two, guard] = listPlugins(home, config(), () => {})
  assert.deepEqual([two!.name, two!.unloadable], ['two', undefined])
  assert.deepEqual([guard!.name, guard!.hooks], ['guard', ['call.before']])
  assert.match(guard!.unloadable!, /in \[plugins\.settings\.guard\] of config\.toml n is missing/)
  const settled = listPlugins(home, config({ settings: { guard: { n: 1 } } }), assert.fail)
  assert.deepEqual(
    settled.map(({ unloadable }) => unloadable),
    [undefined, undefined],
  )
})

test('a changed byte of the lock starts no plugin', async () => {
  const home = newHome()
  await add(home, write('one'))
  const text = readFileSync(lockPath(home), 'utf8')
  for (let at = 0; at < text.length; at += 29) {
    writeFileSync(lockPath(home), text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1))
    const { names, warnings } = loaded(home)
    assert.equal(names, '')
    assert.match(warnings.join(), /no plugin is started/)
  }
  writeFileSync(lockPath(home), text)
  assert.equal(loaded(home).names, 'one')
  writeFileSync(lockPath(home), `${text} `)
  await assert.rejects(stage(home, write('two')), fails('bad_config', /not as Oxbow has written it/))
})

test('an unsigned plugin asks for each of its hashes, a signed one only for new rights or another key', async () => {
  const home = newHome()
  const reasons = async (from: string): Promise<string> => {
    const staged = await stage(home, from)
    await discard(staged.folder)
    return [...staged.reasons, ...staged.changes.added, ...staged.changes.removed.map((line) => `no more: ${line}`)].join(', ')
  }
  const plain = write('plain', { rights: { memory: 'read' } })
  assert.equal(await reasons(plain), 'it is new, and nobody has signed it, read all memories')
  await add(home, plain)
  assert.equal(await reasons(plain), '')
  writeFileSync(join(plain, 'index.js'), 'export default 2')
  assert.equal(await reasons(plain), 'nobody has signed it')

  const signed = write('signed', { rights: { memory: 'own' } })
  const key = await sign(signed)
  assert.equal(await reasons(signed), 'it is new, keep memories of its own')
  await add(home, signed)
  const next = write('signed', { version: '1.1.0' }, { 'index.js': 'export default 2' })
  await sign(next, key)
  assert.equal(await reasons(next), 'no more: keep memories of its own')
  await sign(next)
  assert.match(await reasons(next), /^another key has signed it/)
  rmSync(join(next, signatureFile))
  assert.match(await reasons(next), /^it is no longer signed/)
  const wider = write('signed', { version: '1.2.0', rights: { memory: 'own', secrets: ['KEY'] } })
  await sign(wider, key)
  assert.equal(await reasons(wider), 'it may do more than before, know the secret KEY')
  const hooked = write('signed', { version: '1.3.0', rights: { memory: 'own', hooks: ['call.before'], public_routes: ['/open'] } })
  await sign(hooked, key)
  assert.equal(
    await reasons(hooked),
    'it may do more than before, see, change and refuse what happens at call.before, answer anybody, without a key, at /open',
  )
  writeFileSync(join(wider, 'extra.js'), '')
  await assert.rejects(stage(home, wider), fails('denied', /not those that were signed/))
})

test('an update keeps the version before for hosts that run, and no other', async () => {
  const home = newHome()
  for (const version of ['1.0.0', '1.1.0', '1.2.0', '1.2.0']) await add(home, write('one', { version }, { 'index.js': version }))
  assert.deepEqual(
    readdirSync(join(home.root, 'plugins', 'one')).map((name) => name.split('-')[0]),
    ['1.1.0', '1.2.0'],
  )
  assert.deepEqual(readdirSync(join(home.root, 'plugins')), ['one'])
})

test('a tarball of npm pack is installed', async () => {
  const home = newHome()
  const manifest = JSON.stringify({ name: 'packed', version: '1.0.0', sdk: '^1.0.0', entry: 'a.js' })
  const path = await tarball([
    { name: `package/${manifestFile}`, text: manifest },
    { name: 'package/a.js', text: '' },
  ])
  const locked = await add(home, path)
  assert.deepEqual(readdirSync(versionFolder(home, locked)).toSorted(), ['a.js', manifestFile])
})

test('archives that leave the package, bring links or are bombs are refused, and nothing of them stays', async () => {
  const home = newHome()
  const archives: readonly (readonly [ErrorCode, RegExp, string])[] = [
    ['path_refused', /leaves the package/, await tarball([{ name: '../out.js' }])],
    ['path_refused', /leaves the package/, await tarball([{ name: '/etc/out.js' }])],
    ['path_refused', /leaves the package/, await tarball([{ name: 'a/../../out.js' }])],
    ['path_refused', /is a link/, await tarball([{ name: 'a', type: 'symlink', linkname: '/etc' }])],
    ['path_refused', /is a link/, await tarball([{ name: 'a', type: 'link', linkname: '/etc/passwd' }])],
    ['bad_input', /is a device/, await tarball([{ name: 'a', type: 'character-device' }])],
    [
      'path_refused',
      /^a in the package conflicts with an earlier entry: the same name twice/,
      await tarball([
        { name: 'a', text: '1' },
        { name: 'a', text: '2' },
      ]),
    ],
    [
      'path_refused',
      /^a\/b in the package conflicts with an earlier entry/,
      await tarball([
        { name: 'a', text: '1' },
        { name: 'a/b', text: '2' },
      ]),
    ],
    [
      'path_refused',
      /^a in the package conflicts with an earlier entry: the same name twice/,
      await tarball([{ name: 'a/b' }, { name: 'a', text: '2' }]),
    ],
    ['bad_input', /cannot be unpacked as a tarball/, write('x') + `/${manifestFile}`],
    ['not_found', /has no oxbow\.plugin\.json/, await tarball([{ name: 'a' }])],
    ['not_found', /no folder or tarball/, '/nowhere/at/all'],
    ['bad_input', /does not name a package with an exact version/, 'npm:weather@latest'],
    ['bad_input', /file cannot be the name/, write('file')],
    ['bad_input', /entry gone\.js/, write('y', { entry: 'gone.js' })],
    ['bad_input', /x → sql/, write('x', { dependencies: ['sql'] })],
  ]
  for (const [code, about, path] of archives) await assert.rejects(stage(home, path), fails(code, about), String(about))
  assert.deepEqual(readdirSync(join(home.root, 'plugins')), [])
})

test('folders with links out of the package, pipes or too deep a nesting are refused', async () => {
  const home = newHome()
  const link = write('link')
  symlinkSync('/etc/passwd', join(link, 'passwd'))
  await assert.rejects(stage(home, link), fails('path_refused', /is a link out of the package, to \/etc\/passwd/))
  const up = write('up')
  mkdirSync(join(up, 'a'))
  symlinkSync('../../up', join(up, 'a', 'b'))
  await assert.rejects(stage(home, up), fails('path_refused', /is a link out of the package/))
  const pipe = write('pipe')
  execFileSync('mkfifo', [join(pipe, 'wait')])
  await assert.rejects(stage(home, pipe), fails('path_refused', /neither a file nor a folder/))
  const own = { name: `package/${manifestFile}`, text: JSON.stringify({ name: 'deep', version: '1.0.0', sdk: '*', entry: 'b.js' }) }
  const deep = await tarball([own, { name: `package/${'a/'.repeat(60)}b.js` }])
  await assert.rejects(stage(home, deep), fails('limit_reached', /folders 40 deep/))
  const tooDeep = await tarball([{ name: `package/${'a/'.repeat(3_000)}b.js` }])
  await assert.rejects(stage(home, tooDeep), fails('bad_input', /cannot be unpacked as a tarball/))
  assert.deepEqual(readdirSync(join(home.root, 'plugins')), [])
})

test('files whose names differ only in case are two, and each is part of the hash', async () => {
  const home = newHome()
  const folder = write('cases', {}, { 'index.js': '1', 'Index.js': '2' })
  const { tree_hash: hash } = await add(home, folder)
  writeFileSync(join(folder, 'Index.js'), '3')
  const staged = await stage(home, folder)
  await discard(staged.folder)
  assert.notEqual(staged.tree_hash, hash)
})

test('a package without a manifest gets the one that a person gives, which is hashed with it', async () => {
  const home = newHome()
  const folder = fresh('bare')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.js'), '')
  const propose = async (): Promise<string> => JSON.stringify({ name: 'bare', version: '0.1.0', sdk: '^1.0.0', entry: 'index.js' })
  const staged = await stagePlugin(folder, { home, env: {}, propose })
  const locked = await commitPlugin(home, staged, 'ann', 1)
  assert.ok(existsSync(join(versionFolder(home, locked), manifestFile)))
  assert.equal(loaded(home).names, 'bare')
  chmodSync(versionFolder(home, locked), 0o755)
})

test('packages that plugins bring along are on the disk once, until no plugin has them', async () => {
  const home = newHome()
  const bring = (name: string, version = '1.0.0'): string => {
    const folder = write(name, { version })
    mkdirSync(join(folder, 'node_modules', 'big'), { recursive: true })
    writeFileSync(join(folder, 'node_modules', 'big', 'big.js'), 'the same'.repeat(20_000))
    writeFileSync(join(folder, 'node_modules', 'big', 'tool'), 'the same'.repeat(20_000), { mode: 0o755 })
    return folder
  }
  const store = (): number =>
    existsSync(join(home.root, 'plugins', '.store')) ? readdirSync(join(home.root, 'plugins', '.store')).length : 0
  const inside = (locked: LockedPlugin, file: string) => statSync(join(versionFolder(home, locked), 'node_modules', 'big', file))
  const one = await add(home, bring('one'))
  const two = await add(home, bring('two'))
  assert.equal(inside(one, 'big.js').ino, inside(two, 'big.js').ino)
  assert.equal(inside(one, 'tool').ino, inside(two, 'tool').ino)
  assert.notEqual(inside(one, 'tool').ino, inside(one, 'big.js').ino, 'one is a program')
  assert.equal(inside(one, 'big.js').mode & 0o777, 0o444)
  for (const plugin of [one, two]) await verifyInstalled(home, plugin)
  // What was changed behind Oxbow's back is refused, and not given to the next plugin.
  const changed = join(versionFolder(home, one), 'node_modules', 'big', 'big.js')
  chmodSync(changed, 0o644)
  writeFileSync(changed, 'worse')
  await assert.rejects(verifyInstalled(home, two), fails('denied', /not those that were approved/))
  const three = await add(home, bring('three'))
  await verifyInstalled(home, three)
  for (const name of ['one', 'two']) await removePlugin(home, name)
  assert.equal(store(), 2)
  await verifyInstalled(home, three)
  await removePlugin(home, 'three')
  assert.equal(store(), 0)
})

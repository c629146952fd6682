/** Whole packages of a build: the same bytes twice; installed, tried and removed. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type PackedFile, tarOf } from '../../scripts/package/archives.ts'
import { debianPackage } from '../../scripts/package/debian-package.ts'
import { readShipped } from '../../scripts/package/lock-file.ts'
import { commands, npmTree, packageTree } from '../../scripts/package/package-tree.ts'
import { selfUnpacking } from '../../scripts/package/recipes.ts'
import { withoutProgram } from '../support/needed-program.ts'
import { buildInto, builtVersion } from '../upgrade/built-versions.ts'

const at = Date.UTC(2026, 10, 26) / 1_000
/** Four platforms of channels bring 5 MB of libraries, and clusters 2 MB, which are loaded when they are used first. */
const maxBytes = 69_000_000
const repository = new URL('../../', import.meta.url)
let folder = ''
let files: readonly PackedFile[] = []

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'oxbow-packages-'))
  files = treeOf(builtVersion('0.1.0'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

function treeOf(root: string): readonly PackedFile[] {
  const { platform, arch } = process
  const parts = {
    root,
    platform,
    arch,
    manual: Buffer.from('.Dd today\n'),
    bill: '{}\n',
    shipped: readShipped(repository),
    node: process.execPath,
  }
  return packageTree(parts)
}

const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

void test('two builds of the same sources are the same bytes, in another folder, a year later, where nobody else may read', (t) => {
  const again = join(folder, 'again')
  const later = join(folder, 'later.mjs')
  writeFileSync(later, 'const now = Date.now\nDate.now = () => now() + 31_536_000_000\n')
  const { TZ, NODE_OPTIONS = '' } = process.env
  const mask = process.umask(0o077)
  t.after(() => {
    process.umask(mask)
    Object.assign(process.env, { NODE_OPTIONS })
    if (TZ === undefined) delete process.env['TZ']
    else process.env['TZ'] = TZ
  })
  Object.assign(process.env, { TZ: 'Asia/Kathmandu', NODE_OPTIONS: `${NODE_OPTIONS} --import=${later}` })
  buildInto(again, '0.1.0')
  const sums = new Set(files.map(({ path, content }) => `${sha(content)}  ${path}`))
  const others = treeOf(again).filter(({ path, content }) => !sums.has(`${sha(content)}  ${path}`))
  assert.deepEqual(
    others.map(({ path }) => path),
    [],
  )
  const [npm, npmAgain] = [builtVersion('0.1.0'), again].map((root) => sha(tarOf(npmTree(root), at, 'package/')))
  assert.equal(npm, npmAgain)
  rmSync(again, { recursive: true, force: true })
})

void test('a package has what a program of it loads, and nothing that only a checkout needs', () => {
  const paths = files.map(({ path }) => path)
  for (const needed of [
    'bin/oxbow',
    'bin/launch.js',
    'dist/guest.js',
    'node/bin/node',
    'node_modules/@lydell/node-pty/index.js',
    'bill-of-materials.cdx.json',
    'THIRD-PARTY-LICENSES.txt',
  ])
    assert.ok(paths.includes(needed), needed)
  // The types of what a program imports by the package's name.
  const offered = /^dist\/(?:plugin|sdk|client|client-browser)\.d\.ts$/
  assert.deepEqual(
    paths.filter((path) => /\.(?:ts|map|cc|cpp|gyp)$/.test(path) && !offered.test(path)),
    [],
  )
  const withoutNode = files.filter(({ path }) => path !== 'node/bin/node').reduce((sum, { content }) => sum + content.length, 0)
  assert.ok(withoutNode < maxBytes, `${withoutNode} bytes without Node`)
})

void test("npm's package is small, has what is loaded by name, and nothing that npm would compile", () => {
  const tree = npmTree(builtVersion('0.1.0'))
  const bytes = tree.reduce((sum, { content }) => sum + content.length, 0)
  assert.ok(bytes < maxBytes, `${bytes} bytes`)
  const paths = tree.map(({ path }) => path)
  for (const needed of ['bin/launch.js', 'dist/oxbow.js', 'dist/sqlite/prebuilds/darwin-arm64.node', 'dist/playwright-core/package.json'])
    assert.ok(paths.includes(needed), needed)
  assert.deepEqual(
    paths.filter((path) => /\.gyp$|\.cc$|\.cpp$/.test(path)),
    [],
  )
  const manifest = JSON.parse(tree.find(({ path }) => path === 'package.json')!.content.toString()) as Record<string, object>
  assert.deepEqual(Object.keys(manifest['dependencies']!), ['@lydell/node-pty'])
  assert.deepEqual([manifest['private'], manifest['devDependencies'], manifest['scripts']], [undefined, undefined, undefined])
})

/** With a low level: the content is what is tried. */
const fastTarball = (): Buffer => gzipSync(tarOf(files, at, 'oxbow/'), { level: 1 })

void test(
  'the single file unpacks itself once, whole or not at all, and works',
  { skip: process.platform !== 'linux' && 'it is made for Linux' },
  () => {
    const tarball = fastTarball()
    const path = join(folder, 'oxbow.run')
    writeFileSync(path, selfUnpacking('0.1.0', tarball, sha(tarball)), { mode: 0o755 })
    const home = join(folder, 'home')
    mkdirSync(home)
    const env = { PATH: process.env['PATH'], HOME: home }
    const run = (...args: readonly string[]) => spawnSync(path, args, { env, cwd: home, encoding: 'utf8' })
    assert.equal(run('--version').stdout, '0.1.0\n')
    const unpackedAt = statSync(join(home, '.oxbow/versions/0.1.0')).mtimeMs
    assert.match(run('run', '--model', 'offline', 'list the files here').stdout, /\/shared is empty/)
    assert.equal(statSync(join(home, '.oxbow/versions/0.1.0')).mtimeMs, unpackedAt)
    assert.match(run('upgrade', '--list').stdout, /^\*  0\.1\.0  .*\.oxbow\/versions\/0\.1\.0\/?$/m)
    rmSync(join(home, '.oxbow'), { recursive: true })
    const damaged = readFileSync(path)
    damaged[damaged.length - 1_000]! ^= 1
    writeFileSync(path, damaged)
    const failed = run('--version')
    assert.equal(failed.status, 1)
    assert.match(failed.stderr, /this file is damaged/)
    assert.deepEqual(globSync('.oxbow/versions/*', { cwd: home }), [])
  },
)

function debian(): string {
  const text = (name: string): string => readFileSync(new URL(name, repository), 'utf8')
  const completions = { bash: '# bash\n', zsh: '#compdef oxbow\n', fish: '# fish\n' }
  const manual = Buffer.from('.Dd November 26, 2026\n.Dt OXBOW 1\n.Os\n.Sh NAME\n.Nm oxbow\n.Nd agents\n')
  const parts = { version: '0.1.0', arch: process.arch, at, files, manual, completions, commands: commands(builtVersion('0.1.0')) }
  const path = join(folder, 'oxbow.deb')
  writeFileSync(
    path,
    debianPackage({ ...parts, licence: text('LICENSE'), changelog: text('CHANGELOG.md'), maintainer: 'Ada Lovelace <ada@example.org>' }),
  )
  return path
}

void test('the Debian package installs, works and is purged without a trace', (t) => {
  const missing = withoutProgram('dpkg') || (process.getuid?.() !== 0 && 'dpkg needs root to install into a folder')
  if (missing !== false) return t.skip(missing)
  const path = debian()
  const root = join(folder, 'system')
  for (const name of ['var/lib/dpkg/info', 'var/lib/dpkg/updates', 'var/lib/dpkg/triggers', 'usr/bin'])
    mkdirSync(join(root, name), { recursive: true })
  for (const name of ['status', 'available']) writeFileSync(join(root, 'var/lib/dpkg', name), '')
  const dpkg = (...args: readonly string[]): void =>
    void execFileSync('dpkg', [`--root=${root}`, '--force-depends', '--force-not-root', '--force-script-chrootless', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  const listed = (): readonly string[] =>
    globSync('**', { cwd: root, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
      .filter((name) => !name.startsWith('var/'))
  dpkg('--install', path)
  assert.ok(listed().includes('usr/share/bash-completion/completions/oxbow'))
  const home = join(folder, 'debian-home')
  mkdirSync(home)
  const env = { PATH: process.env['PATH'], HOME: home }
  const said = spawnSync(join(root, 'usr/bin/oxbow'), ['run', '--model', 'offline', 'list the files here'], {
    env,
    cwd: home,
    encoding: 'utf8',
  })
  assert.match(said.stdout, /\/shared is empty/, said.stderr)
  // What `oxbow service install --system` and root's daemon have made.
  const made = ['etc/systemd/system/oxbow.service', 'etc/oxbow/config.toml', 'var/lib/oxbow/runner/events.jsonl']
  for (const name of made) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), '')
  }
  dpkg('--remove', 'oxbow')
  assert.deepEqual(
    made.filter((name) => !existsSync(join(root, name))),
    [],
  )
  dpkg('--purge', 'oxbow')
  assert.deepEqual([existsSync(join(root, 'etc/oxbow')), existsSync(join(root, 'var/lib/oxbow'))], [false, false])
  assert.deepEqual(listed(), [])
})

void test('lintian finds nothing wrong with the Debian package', (t) => {
  const missing = withoutProgram('lintian')
  if (missing !== false) return t.skip(missing)
  const { stdout, status } = spawnSync('lintian', ['--allow-root', '--fail-on', 'error,warning', debian()], { encoding: 'utf8' })
  assert.equal(stdout, '')
  assert.equal(status, 0)
})

/**
 * The npm package as people get it: built, packed, installed into an empty prefix without a network, used from the command line and by programs. What
 * it needs of the registry comes from a cache that is filled before; where that cannot be, the part is named and not tried.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsdown'
import { gzipped, tarOf } from '../../scripts/package/archives.ts'
import { npmTree } from '../../scripts/package/package-tree.ts'
import { buildWeb } from '../../src/cli/web.ts'
import { version } from '../../src/sdk/index.ts'
import configs from '../../tsdown.config.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'oxbow-package-'))
const own = join(folder, 'own')
const cache = join(folder, 'cache')
// See packages.full.test.ts.
const maxMegabytes = 70
let tarball = ''
/** Why nothing could be installed; empty: it was. */
let offline = ''

// A compiler would be found here only if something asked for one.
const path = [dirname(process.execPath), '/usr/bin', '/bin'].join(':')
const run = (file: string, args: readonly string[], cwd: string, more: Readonly<Record<string, string>> = {}) =>
  promisify(execFile)(file, args, {
    cwd,
    env: { PATH: path, HOME: folder, OXBOW_HOME: join(folder, 'home'), CC: '/bin/false', CXX: '/bin/false', ...more },
    maxBuffer: 1 << 26,
  })
/** @returns whether `npm run build` has been run for the sources as they are */
function isBuilt(): boolean {
  const builtAt = statSync(join(root, 'dist/web/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  return globSync(['src/**/*.ts', 'web/src/**/*', 'tsdown.config.ts', 'package-lock.json'], { cwd: root }).every(
    (file) => statSync(join(root, file)).mtimeMs < builtAt,
  )
}

/** With the person's own settings: they say where the registry is. */
const npm = (args: readonly string[], cwd: string) => {
  const settings = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:npm_|NODE_(?!EXTRA_CA)|OXBOW)/.test(name)),
  ) as Record<string, string>
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=0', '--fetch-timeout=20000']
  return run('npm', [...args, '--cache', cache, ...quiet], cwd, { ...settings, PATH: path })
}

before(async () => {
  mkdirSync(own)
  for (const name of ['package.json', 'README.md', 'LICENSE', 'bin', 'skills', 'programs'])
    cpSync(join(root, name), join(own, name), { recursive: true })
  if (isBuilt()) cpSync(join(root, 'dist'), join(own, 'dist'), { recursive: true })
  else {
    const outDir = join(own, 'dist')
    for (const config of configs) await build({ ...config, cwd: root, config: false, outDir, clean: false, logLevel: 'error' })
    await buildWeb(join(outDir, 'web'))
  }
  // As scripts/package makes it: `npm pack` writes what the umask lets be read.
  tarball = join(folder, 'oxbow.tgz')
  writeFileSync(tarball, gzipped(tarOf(npmTree(own), 0, 'package/')))
  await npm(['install', '--prefix', join(folder, 'first'), tarball], folder).catch((error: Error) => (offline = error.message))
})
after(() => rmSync(folder, { recursive: true, force: true }))

void test('it has a product, may be published, and a build is part of packing it', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown> & {
    scripts: Record<string, string>
  }
  assert.equal(manifest['private'], undefined)
  assert.equal(manifest.scripts['prepack'], 'npm run build')
  assert.equal(manifest['version'], version, 'the library says its version')
  for (const file of ['oxbow.js', 'guest.js', 'sdk.js', 'sdk.d.ts', 'client.js', 'client.d.ts', 'client-browser.js', 'web/index.html'])
    assert.ok(existsSync(join(own, 'dist', file)), file)
})

void test('one that was packed without a build says so', async () => {
  const bare = join(folder, 'bare')
  mkdirSync(bare)
  for (const name of ['package.json', '.npmrc', 'bin', 'skills']) cpSync(join(root, name), join(bare, name), { recursive: true })
  const { stdout } = await npm(['pack', '--silent', '--pack-destination', bare], bare)
  await run('tar', ['-xzf', stdout.trim()], bare)
  for (const program of ['oxbow.js', 'oxbowd.js'])
    await assert.rejects(run(process.execPath, [join(bare, 'package/bin', program)], bare), {
      code: 1,
      stderr: /has no product.*npm run package/s,
    })
  assert.match(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts.package as string, /--ignore-scripts=false/)
})

void test('publint and attw find nothing wrong', async () => {
  const tools = join(root, 'node_modules/.bin')
  const { stdout } = await run(process.execPath, [join(tools, 'publint'), 'run', tarball, '--strict'], root)
  assert.match(stdout, /All good/)
  await run(process.execPath, [join(tools, 'attw'), tarball, '--profile', 'esm-only'], root)
})

void test('installed globally without a network and without a compiler, it runs and is small', async (t) => {
  if (offline !== '') return t.skip(`npm could not fetch what the package needs, so no installation was tried: ${offline}`)
  const prefix = join(folder, 'prefix')
  await npm(['install', '--global', '--prefix', prefix, '--offline', tarball], folder)
  const installed = join(prefix, 'lib/node_modules/oxbow')
  const megabytes = sizeOf(installed, (name) => /^node-(?:linux|win)-/.test(name)) / 1e6
  t.diagnostic(`${megabytes.toFixed(1)} MB without Node`)
  assert.ok(megabytes < maxMegabytes, `${megabytes} MB`)
  const oxbow = join(prefix, 'bin/oxbow')
  assert.equal((await run(oxbow, ['--version'], folder)).stdout, `${version}\n`)
  assert.match((await run(oxbow, ['run', 'write hi to a.txt', '--insecure'], folder)).stdout, /Wrote|sandbox/)
  assert.match((await run(oxbow, ['audit', 'verify'], folder)).stdout, /verifies/)
  const older = olderNode()
  if (older === null) return t.diagnostic('not tried with an older Node: none is in the PATH')
  const found = (await run(older, [oxbow, 'run', '--model', 'offline', '2+2'], folder, { OXBOW_HOME: join(folder, 'older') })).stdout
  assert.match(found, /= 4/, `started by ${older}`)
})

/** @returns a Node before 24, with which people may call it: it finds the one that came along */
function olderNode(): string | null {
  const found = (process.env['PATH'] ?? '').split(':').map((place) => join(place, 'node'))
  return (
    found.find((file) => existsSync(file) && /^v(?:20|22)\./.test(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout ?? '')) ??
    null
  )
}

void test('npx runs it, and programs import it with their types', async (t) => {
  if (offline !== '') return t.skip(`npm could not fetch what the package needs, so no program was tried: ${offline}`)
  const place = join(folder, 'first')
  assert.equal((await run('npx', ['--offline', '--cache', cache, 'oxbow', '--version'], place)).stdout, `${version}\n`)
  cpSync(join(root, 'node_modules/zod'), join(place, 'node_modules/zod'), { recursive: true })
  writeFileSync(join(place, 'embed.ts'), readFileSync(join(root, 'examples/embed.ts')))
  writeFileSync(join(place, 'wrong.ts'), "import { startOxbow } from 'oxbow/sdk'\nvoid startOxbow({ modle: 'x' })\n")
  writeFileSync(
    join(place, 'page.ts'),
    "import { connect } from 'oxbow/client'\nvoid connect({ url: 'ws://x/ws', token: 't', client: 'c' })\n",
  )
  const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as object
  writeFileSync(join(place, 'package.json'), JSON.stringify({ ...manifest, type: 'module' }))
  const tsc = (file: string, ...more: readonly string[]) =>
    run(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--target', 'es2023', ...more, file],
      place,
    )
  const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node']
  await tsc('embed.ts', '--module', 'nodenext', ...types)
  await assert.rejects(tsc('wrong.ts', '--module', 'nodenext', ...types), ({ stdout }: { stdout: string }) => stdout.includes('modle'))
  const ofPage = [
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--customConditions',
    'browser',
    '--lib',
    'es2023,dom',
    '--types',
    '',
  ]
  await tsc('page.ts', ...ofPage)
  const page = readFileSync(join(place, 'node_modules/oxbow/dist/client-browser.js'), 'utf8')
  assert.doesNotMatch(page, /from ?["']node:|require\(|getBuiltinModule/, 'the client of a page asks for nothing of Node')
  assert.match((await run(process.execPath, ['embed.ts'], place)).stdout, /six more/)
})

function sizeOf(place: string, isLeftOut: (name: string) => boolean): number {
  return readdirSync(place, { withFileTypes: true }).reduce((sum, entry) => {
    if (isLeftOut(entry.name)) return sum
    const file = join(place, entry.name)
    return sum + (entry.isDirectory() ? sizeOf(file, isLeftOut) : entry.isFile() ? statSync(file).size : 0)
  }, 0)
}

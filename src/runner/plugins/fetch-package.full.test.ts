/** Packages that are hostile or large, fetched as they are: archive bombs, and packages of npm with scripts, from a registry on this machine. */
import assert from 'node:assert/strict'
import { createWriteStream, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { after, test } from 'node:test'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { openRegistry } from '../../../test/support/npm-registry.ts'
import { manifestFile } from '../../plugins/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { openHome } from '../home.ts'
import { discard, stagePlugin } from './install.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-fetch-'))
after(() => rmSync(root, { recursive: true, force: true }))
const home = openHome({ OXBOW_HOME: join(root, 'home') })
const manifest = (name: string): string => JSON.stringify({ name, version: '1.0.0', sdk: '*', entry: 'index.js' })

test('an archive of half a megabyte that unpacks to more than 512 MiB is refused before, and nothing of it stays', async () => {
  const path = join(root, 'bomb.tgz')
  const packed = pack()
  const mib = Buffer.alloc(1024 * 1024)
  const entry = packed.entry({ name: 'package/zeros', size: 520 * mib.length })
  const writing = pipeline(packed, createGzip({ level: 1 }), createWriteStream(path))
  await pipeline(Readable.from(Array.from({ length: 520 }, () => mib)), entry)
  packed.finalize()
  await writing
  await assert.rejects(
    stagePlugin(path, { home, env: {} }),
    (error) => isOxbowError(error, 'limit_reached') && /when it is unpacked/.test(error.message),
  )
  assert.deepEqual(readdirSync(join(home.root, 'plugins')), [])
})

test('an archive with more than 50 000 files is refused', async () => {
  const path = join(root, 'many.tgz')
  const packed = pack()
  packed.entry({ name: 'package/a', type: 'directory' })
  packed.finalize()
  const header = (await buffer(packed)).subarray(0, 512)
  await pipeline(Readable.from([Buffer.concat(Array.from({ length: 50_001 }, () => header))]), createGzip(), createWriteStream(path))
  await assert.rejects(stagePlugin(path, { home, env: {} }), { code: 'limit_reached', message: /more than 50000 files/ })
  assert.deepEqual(readdirSync(join(home.root, 'plugins')), [])
})

test('scripts of a package of npm and of those that it needs never run, and a person sees which have some', async () => {
  const mark = join(root, 'ran')
  const scripts = Object.fromEntries(['preinstall', 'install', 'postinstall', 'prepare'].map((name) => [name, `touch ${mark}`]))
  await using registry = await openRegistry()
  await registry.put('evil', {
    about: { scripts, hasInstallScript: true, dependencies: { 'evil-part': '1.0.0' } },
    files: { 'index.js': '', [manifestFile]: manifest('evil') },
  })
  const part = { scripts, hasInstallScript: true }
  await registry.put('evil-part', { about: part, files: { 'index.js': '' } })
  const env = { ...process.env, ...registry.env(join(root, 'npm')) }
  const staged = await stagePlugin('npm:evil@1.0.0', { home, env })
  assert.ok(!existsSync(mark))
  assert.deepEqual([staged.packages, staged.withScripts.toSorted()], [1, ['evil', 'evil-part']])
  assert.ok(existsSync(join(staged.folder, 'node_modules/evil-part/index.js')))
  assert.equal(staged.source.from === 'npm' && staged.source.integrity.startsWith('sha512-'), true)
  await discard(staged.folder)
  await registry.put('evil-part', { about: part, files: { 'index.js': 'changed' } })
  const again = await stagePlugin('npm:evil@1.0.0', { home, env: { ...env, npm_config_cache: join(root, 'npm/other') } })
  assert.notEqual(again.tree_hash, staged.tree_hash)
  await discard(again.folder)
})

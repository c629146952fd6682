import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { archiveEnd, entryHeader, padding } from '../../tar/index.ts'
import { install, listReleases, packagePlace } from './release-file.ts'
import { assertIntact, compareVersions } from './versions.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
const machine = `${process.platform}-${process.arch}`
const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

let folder = ''
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'oxbow-release-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Entries = Readonly<Record<string, string | { readonly link: string }>>

function pack(entries: Entries): Buffer {
  const parts = Object.entries(entries).flatMap(([name, content]) => {
    if (typeof content !== 'string') return [entryHeader({ kind: 'link', name, mode: 0o777, modifiedSeconds: 0, linkName: content.link })]
    const bytes = Buffer.from(content)
    return [
      entryHeader({ kind: 'file', name, mode: name.includes('/bin/') ? 0o755 : 0o644, modifiedSeconds: 0, bytes: bytes.length }),
      bytes,
      padding(bytes.length),
    ]
  })
  return gzipSync(Buffer.concat([...parts, archiveEnd]))
}

/** The entries of a package that can be installed. */
function soundEntries(version: string): Entries {
  const files = { 'bin/oxbow.js': '// starts', 'dist/release.json': JSON.stringify({ version, store: 17, node: '24.0.0' }) }
  const list = Object.entries(files).map(([path, content]) => `${sha(content)}  ${path}\n`)
  return Object.fromEntries([...Object.entries(files), ['files.sha256', list.join('')]].map(([path, content]) => [`top/${path}`, content!]))
}

/** Puts a signed package into the folder. */
function publish(version: string, entries: Entries = soundEntries(version)): void {
  writeFileSync(join(folder, `oxbow-${version}-${machine}.tar.gz`), pack(entries))
  resign()
}

function resign(): void {
  const files = readdirSync(folder).filter((name) => name.endsWith('.tar.gz'))
  const sums = files.map((name) => `${sha(readFileSync(join(folder, name)))}  ${name}\n`).join('')
  writeFileSync(join(folder, 'SHA256SUMS'), sums)
  writeFileSync(join(folder, 'SHA256SUMS.sig'), sign(null, Buffer.from(sums), privateKey))
}

async function installFirst(source = folder): Promise<string> {
  const place = packagePlace(source)
  const [release] = await listReleases(place, [key])
  return (await install(place, release!, join(folder, 'versions'))).root
}

void test('the newest signed package for this machine is listed first, and is unpacked whole', async () => {
  publish('0.9.0')
  publish('0.10.0-rc.1')
  publish('0.10.0')
  writeFileSync(join(folder, `oxbow-0.11.0-plan9-x64.tar.gz`), 'for another machine')
  resign()
  const listed = await listReleases(packagePlace(folder), [key])
  assert.deepEqual(
    listed.map(({ version }) => version),
    ['0.10.0', '0.10.0-rc.1', '0.9.0'],
  )
  const root = await installFirst()
  assert.equal(root, join(folder, 'versions', '0.10.0'))
  assert.equal(statSync(join(root, 'bin', 'oxbow.js')).mode & 0o777, 0o755)
  await assertIntact(root)
  assert.deepEqual(readdirSync(join(folder, 'versions')), ['0.10.0'])
})

void test('a list that no known key has signed is refused, however it was changed', async () => {
  publish('0.2.0')
  await assert.rejects(listReleases(packagePlace(folder), []), { code: 'denied' })
  const signature = readFileSync(join(folder, 'SHA256SUMS.sig'))
  for (const wrong of [Buffer.alloc(64), Buffer.alloc(0), signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) {
    writeFileSync(join(folder, 'SHA256SUMS.sig'), wrong)
    await assert.rejects(listReleases(packagePlace(folder), [key]), { code: 'denied' })
  }
  writeFileSync(join(folder, 'SHA256SUMS.sig'), signature)
  writeFileSync(join(folder, 'SHA256SUMS'), `${readFileSync(join(folder, 'SHA256SUMS'), 'utf8')}\n`)
  await assert.rejects(listReleases(packagePlace(folder), [key]), { code: 'denied' })
  rmSync(join(folder, 'SHA256SUMS.sig'))
  await assert.rejects(listReleases(packagePlace(folder), [key]), { code: 'not_found' })
})

void test('a package with another hash than the signed one is not unpacked', async () => {
  publish('0.2.0')
  writeFileSync(join(folder, `oxbow-0.2.0-${machine}.tar.gz`), pack({ ...soundEntries('0.2.0'), 'top/dist/more.js': 'evil' }))
  await assert.rejects(installFirst(), { code: 'denied', message: /not the file that was signed/ })
  assert.equal(existsSync(join(folder, 'versions', '0.2.0')), false)
})

void test('nothing of an archive lands outside its folder', async () => {
  const bad: readonly Entries[] = [
    { 'top/../../escaped': 'x' },
    { '/etc/escaped': 'x' },
    { 'top/link': { link: '/etc' } },
    { 'top/a': 'x', 'top/a/b': 'x' },
    { ...soundEntries('0.2.0'), 'top/not-listed': 'x' },
    { 'top/bin/oxbow.js': 'no list' },
    { ...soundEntries('0.3.0') },
  ]
  for (const entries of bad) {
    publish('0.2.0', entries)
    await assert.rejects(installFirst(), { code: 'bad_input' })
    assert.deepEqual(readdirSync(join(folder, 'versions')), [])
    assert.equal(existsSync(join(folder, 'escaped')), false)
  }
  for (const bytes of [Buffer.alloc(0), Buffer.from('not a gzip'), pack(soundEntries('0.2.0')).subarray(0, 200)]) {
    writeFileSync(join(folder, `oxbow-0.2.0-${machine}.tar.gz`), bytes)
    resign()
    await assert.rejects(installFirst(), { code: 'bad_input' })
  }
})

void test('a version that was changed after it was unpacked is put in place again', async () => {
  publish('0.2.0')
  const root = await installFirst()
  writeFileSync(join(root, 'bin', 'oxbow.js'), '// changed')
  await assert.rejects(assertIntact(root), { message: /bin\/oxbow\.js was changed/ })
  await installFirst()
  await assertIntact(root)
  mkdirSync(join(root, 'more'))
  writeFileSync(join(root, 'more', 'file'), '')
  await assert.rejects(assertIntact(root), { message: /more\/file does not belong to it/ })
  rmSync(join(root, 'more'), { recursive: true })
  rmSync(join(root, 'bin', 'oxbow.js'))
  await assert.rejects(assertIntact(root), { message: /bin\/oxbow\.js is missing/ })
})

void test('packages come over http from this machine, over https from others, and an endless answer is cut off', async () => {
  publish('0.2.0')
  const server = createServer((request, response) => {
    const path = join(folder, decodeURIComponent(request.url ?? '').replace('/packages/', ''))
    if (existsSync(path)) response.end(readFileSync(path))
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    assert.match(await installFirst(`http://127.0.0.1:${port}/packages`), /versions.0\.2\.0$/)
    await assert.rejects(listReleases(packagePlace(`http://127.0.0.1:${port}/other`), [key]), { code: 'not_found', message: /HTTP 404/ })
    writeFileSync(join(folder, 'SHA256SUMS'), Buffer.alloc(2 * 1024 * 1024))
    await assert.rejects(listReleases(packagePlace(`http://127.0.0.1:${port}/packages`), [key]), { code: 'limit_reached' })
  } finally {
    server.closeAllConnections()
    server.close()
  }
  assert.throws(() => packagePlace('http://packages.example/oxbow'), { code: 'bad_input' })
  assert.throws(() => packagePlace(join(folder, 'nowhere')), { code: 'not_found' })
})

void test('versions are compared by their numbers, and a pre-release comes before its release', () => {
  const sorted = ['0.9.9', '0.10.0-alpha.2', '0.10.0-alpha.10', '0.10.0-rc.1', '0.10.0', '1.0.0']
  assert.deepEqual(sorted.toReversed().toSorted(compareVersions), sorted)
})

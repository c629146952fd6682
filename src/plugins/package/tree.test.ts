import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { fingerprint, signatureFile, signerOf, signPackage } from './signature.ts'
import { findFiles, hashFiles } from './tree-files.ts'
import { createTreeCheck, hashOfFiles, listTree, treeHash } from './tree.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-tree-'))
after(() => rmSync(root, { recursive: true }))

let made = 0
function makePackage(): string {
  const folder = join(root, `p${(made += 1)}`)
  mkdirSync(join(folder, 'lib'), { recursive: true })
  writeFileSync(join(folder, 'index.js'), 'export default 1')
  writeFileSync(join(folder, 'lib', 'a.js'), 'a')
  symlinkSync('../index.js', join(folder, 'lib', 'link.js'))
  return folder
}

const fails = (code: Parameters<typeof isOxbowError>[1], about: RegExp) => (error: unknown) =>
  isOxbowError(error, code) && about.test(error.message)

test('the same files have the same hash, and any change has another', async () => {
  const [a, b] = [makePackage(), makePackage()]
  const hash = await treeHash(a)
  assert.equal(await treeHash(b), hash)
  const changes = [
    () => writeFileSync(join(b, 'lib', 'a.js'), 'b'),
    () => chmodSync(join(b, 'index.js'), 0o755),
    () => writeFileSync(join(b, 'new.js'), ''),
    () => mkdirSync(join(b, 'empty')),
  ]
  const hashes = new Set([hash])
  for (const change of changes) {
    change()
    hashes.add(await treeHash(b))
  }
  // An empty folder is no file.
  assert.equal(hashes.size, 4)
})

test('a package that has been checked is read again only after a change', async () => {
  const folder = makePackage()
  const hash = await treeHash(folder)
  const { check } = createTreeCheck()
  await check(folder, hash)
  await check(folder, hash)
  writeFileSync(join(folder, 'lib', 'a.js'), 'b')
  await assert.rejects(check(folder, hash), fails('denied', /are not those that were approved/))
})

test('a package of many files is read in a thread, with the same hash and the same refusals', async () => {
  const folder = makePackage()
  for (let i = 0; i < 100; i += 1) writeFileSync(join(folder, 'lib', `f${i}.js`), `${i}`)
  writeFileSync(join(folder, 'large.bin'), Buffer.alloc(3_000_001, 7))
  const here = hashFiles(folder, findFiles(folder)!.files)
  assert.deepEqual(await listTree(folder), here)
  const { check } = createTreeCheck()
  const hash = hashOfFiles(here)
  await check(folder, hash)
  await check(folder, hash)
  writeFileSync(join(folder, 'lib', 'f7.js'), '8')
  await assert.rejects(check(folder, hash), fails('denied', /are not those that were approved/))
  symlinkSync('/etc/passwd', join(folder, 'out'))
  await assert.rejects(listTree(folder), fails('path_refused', /out in the package is a link out of the package/))
})

test('links out of a package and special files are refused', async () => {
  for (const target of ['/etc/passwd', '../../x', '../..', '..']) {
    const folder = makePackage()
    symlinkSync(target, join(folder, target === '..' ? 'out' : 'lib/out'))
    await assert.rejects(listTree(folder), fails('path_refused', /link out of the package/), target)
  }
})

test('a link that leaves a package through another of its links is refused', async () => {
  const folder = makePackage()
  symlinkSync('.', join(folder, 'here'))
  symlinkSync('here/here/../../secret', join(folder, 'out'))
  await assert.rejects(listTree(folder), fails('path_refused', /out in the package is a link out of the package/))
})

test('a signature covers every file but itself', async () => {
  const folder = makePackage()
  const { privateKey } = generateKeyPairSync('ed25519')
  const text = signPackage(await listTree(folder), privateKey)
  writeFileSync(join(folder, signatureFile), text)
  const signer = signerOf(await listTree(folder), text)
  assert.match(fingerprint(signer), /^[0-9a-f]{4}( [0-9a-f]{4}){7}$/)
  assert.equal(signerOf(await listTree(folder), null), '')
  const wrong = [text.replace(/"signature":"../, '"signature":"AA'), '{}', 'x', text.replace(/"key":"../, '"key":"AA')]
  for (const each of wrong) assert.throws(() => void signerOf([], each), fails('denied', /signature of the package is wrong/))
  writeFileSync(join(folder, 'index.js'), 'export default 2')
  const changed = await listTree(folder)
  assert.throws(() => signerOf(changed, text), fails('denied', /not those that were signed/))
  assert.throws(() => signPackage(changed, generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey), fails('bad_input', /Ed25519/))
})

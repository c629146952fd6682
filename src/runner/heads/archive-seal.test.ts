import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { configSchema } from '../../services/index.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'
import { archiveKey, beginKeyChange, endKeyChange, type KeyPlace } from '../master-keys.ts'
import { createArchiveFiles } from './archive-files.ts'
import { opened, sealed } from './archive-seal.ts'

const key = randomBytes(32)

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

test('a sealed file opens as it was, whatever its size and however it is cut into chunks', async () => {
  for (const size of [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const plain = randomBytes(size)
    const file = await buffer(sealed(key, chunksOf(plain, 10_007)))
    assert.equal(file.includes(plain.subarray(0, 16)) && size > 16, false)
    for (const chunk of [7_001, 65_552, 1_000_000])
      assert.ok(plain.equals(await buffer(opened([randomBytes(32), key], chunksOf(file, chunk)))), `${size} in ${chunk}`)
  }
})

test('a file of another key, with a changed byte, cut off at a piece, or with its pieces moved does not open', async () => {
  const file = await buffer(sealed(key, chunksOf(randomBytes(150_000), 65_536)))
  const refused = (bytes: Buffer, keys: readonly Uint8Array[] = [key]) => assert.rejects(buffer(opened(keys, chunksOf(bytes, 50_000))))
  await refused(file, [randomBytes(32)])
  for (const at of [3, 30, 60, 70_000, file.length - 1]) {
    const changed = Buffer.from(file)
    changed[at]! ^= 1
    await refused(changed)
  }
  const [head, piece] = [55, 65_536 + 16]
  await refused(file.subarray(0, head + piece))
  await refused(file.subarray(0, head + 2 * piece))
  await refused(file.subarray(0, 20))
  const at = (n: number): Buffer => file.subarray(head + n * piece, head + (n + 1) * piece)
  await refused(Buffer.concat([file.subarray(0, head), at(1), at(0), at(2)]))
})

test('an archive of an encrypted store holds no plain text, and is read after the key has changed', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-seal-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const home = openHome({ OXBOW_HOME: root })
  const workspace = openWorkspace(home, parseUser('ada'))
  const place: KeyPlace = { home, user: workspace.user, config: configSchema.parse({ store: { encrypt: true } }), env: {} }
  const hash = 'a'.repeat(64)
  async function* lines() {
    yield { oxbow: 'export', format: 2, user: 'ada', after: { seq: 0, hash: '0'.repeat(64) } }
    yield { seq: 1, hash, body: '{"said":"the plain words"}' }
  }
  const files = createArchiveFiles({ place, workspace, lines })
  const made = await files.make(0, 1)
  assert.match(made.file, /^journal-1-1\.jsonl\.zst\.sealed$/)
  const path = join(workspace.root, 'archive', made.file)
  assert.deepEqual([...readFileSync(path).subarray(0, 5)], [...Buffer.from('oxbow')])
  const read = () => createArchiveFiles({ place, workspace, lines }).read(made.file, 0)
  assert.deepEqual((await read()).bodies, [{ seq: 1, body: '{"said":"the plain words"}' }])
  const before = archiveKey(place)
  beginKeyChange(place)
  assert.deepEqual(archiveKey(place), before)
  endKeyChange(place)
  beginKeyChange(place)
  endKeyChange(place)
  assert.deepEqual(archiveKey(place), before)
  assert.equal((await read()).bodies.length, 1)
  const bytes = readFileSync(path)
  bytes[bytes.length - 1]! ^= 1
  writeFileSync(path, bytes)
  await assert.rejects(read(), { code: 'audit_failed' })
})

test('an archive of a database that is encrypted without the configuration saying so is sealed too', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-seal-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const home = openHome({ OXBOW_HOME: root })
  const workspace = openWorkspace(home, parseUser('ada'))
  const place: KeyPlace = { home, user: workspace.user, config: configSchema.parse({}), env: {} }
  async function* lines() {
    yield { oxbow: 'export', format: 2, user: 'ada', after: { seq: 0, hash: '0'.repeat(64) } }
    yield { seq: 1, hash: 'a'.repeat(64), body: '{"said":"the plain words"}' }
  }
  mkdirSync(join(workspace.root, 'internal'), { recursive: true })
  for (const [head, name] of [
    ['SQLite format 3\0', 'journal-1-1.jsonl.zst'],
    ['\u0001'.repeat(4_096), 'journal-1-1.jsonl.zst.sealed'],
  ] as const) {
    writeFileSync(join(workspace.root, 'internal', 'oxbow.db'), head)
    assert.equal((await createArchiveFiles({ place, workspace, lines }).make(0, 1)).file, name)
  }
})

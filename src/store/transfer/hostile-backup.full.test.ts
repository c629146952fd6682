/** Backups that somebody else has written or damaged, with hashes that fit: each is refused, and nothing is there afterwards. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { createBLAKE3 } from 'hash-wasm'
import { pack as openPack } from 'tar-stream'
import type { BackupManifest, BackupPart, BackupReport, FileKeys, RestoreReport } from '../../config/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { isFull } from '../../../test/support/scale.ts'
import { storeFolder } from '../store-fixture.ts'
import type { StorePlace } from '../upkeep/connection.ts'
import { isProven, readManifest } from './backup-file.ts'
import { sealPieces } from './file-archive.ts'
import { ask, fillStore, placeIn } from './transfer-fixture.ts'

const root = 'ab'.repeat(32)
const keyFile = '/keys/ann.json'

/** The parts of a sound backup. */
interface Sound {
  readonly whole: Buffer
  readonly database: Buffer
  readonly manifest: BackupManifest
  readonly parts: Readonly<Record<string, Buffer>>
}

function workspaceIn(folder: string): { readonly place: StorePlace; readonly files: FileKeys } {
  mkdirSync(join(folder, 'users', 'ann', 'internal'), { recursive: true })
  const files = { keys: [{ key: root, file: keyFile }], homeConfig: join(folder, 'config.toml'), withHome: true }
  return { place: placeIn(join(folder, 'users', 'ann', 'internal')), files }
}

let sound: Sound

before(async () => {
  await using home = storeFolder()
  const { place, files } = workspaceIn(home.folder)
  await using source = storeFolder()
  const store = await source.open()
  await fillStore(store, 5)
  await store.close()
  writeFileSync(place.file, readFileSync(source.path))
  for (const [name, text] of [
    ['users/ann/shared/a.txt', 'a'],
    ['users/ann/vault/pin.txt', '1234'],
    ['users/ann/internal/versions/HEAD', 'ref'],
    ['users/ann/internal/versions/objects/pack/one', ''],
    ['agents/ox.toml', ''],
  ] as const) {
    mkdirSync(join(home.folder, name, '..'), { recursive: true })
    writeFileSync(join(home.folder, name), text)
  }
  const { path } = await ask<BackupReport>(place, { ask: 'backup', path: join(home.folder, 'b'), files })
  const [bytes, manifest] = [readFileSync(path), readManifest(path)]
  let from = manifest.bytes
  const parts: Record<string, Buffer> = {}
  for (const { name, bytes: length } of manifest.parts ?? []) parts[name] = bytes.subarray(from, (from += length))
  sound = { whole: bytes, database: bytes.subarray(0, manifest.bytes), manifest, parts }
})

async function hashOf(bytes: Buffer): Promise<string> {
  return (await createBLAKE3()).init().update(bytes).digest('hex')
}

/** A backup with these parts, whose hashes fit. */
async function written(path: string, parts: readonly (readonly [BackupPart, Buffer])[], change: object = {}): Promise<string> {
  const facts = await Promise.all(parts.map(async ([part, bytes]) => ({ ...part, bytes: bytes.length, hash: await hashOf(bytes) })))
  const text = Buffer.from(JSON.stringify({ ...sound.manifest, parts: facts, ...change }))
  const end = `\noxbow-backup ${String(text.length).padStart(10, '0')}\n`
  writeFileSync(path, Buffer.concat([sound.database, ...parts.map(([, bytes]) => bytes), Buffer.from('\n'), text, Buffer.from(end)]))
  return path
}

const part = (name: string): BackupPart => sound.manifest.parts!.find((one) => one.name === name)!
const own = (name: string): readonly [BackupPart, Buffer] => [part(name), sound.parts[name]!]

type Entry = Readonly<{ name: string; type?: 'file' | 'symlink' | 'directory'; linkname?: string; text?: string }>

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const pack = openPack()
  for (const { text = 'evil', ...entry } of entries) {
    if ((entry.type ?? 'file') === 'file') pack.entry(entry, text)
    else pack.entry(entry)
  }
  pack.finalize()
  return collect(pack as AsyncIterable<Uint8Array>)
}

async function* of(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of bytes) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** The header of a file whose size is far more than what follows. */
async function huge(name: string): Promise<Buffer> {
  const bytes = await tar([
    { name: 'agents', type: 'directory' },
    { name, text: 'x' },
  ])
  const at = 512
  bytes.write('77777777777\0', at + 124, 'latin1')
  bytes.write('        ', at + 148, 'latin1')
  const sum = bytes.subarray(at, at + 512).reduce((all, byte) => all + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
  return bytes
}

async function refused(folder: string, path: string, what: string): Promise<void> {
  const { place, files } = workspaceIn(folder)
  const restore = { ask: 'restore', path, by: 'ann', replace: true, files } as const
  for (const question of isFull ? [{ ...restore, rehearse: true }, restore] : [restore]) {
    const error = await ask(place, question).then(
      () => null,
      (thrown: unknown) => thrown,
    )
    assert.ok(isOxbowError(error, 'bad_input'), `${what}: ${String(error)}`)
  }
  const there = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => !/^users(?:\/ann(?:\/internal)?)?$/.test(name))
  assert.deepEqual(
    there.filter((name) => name !== 'backup' && !/oxbow\.db-lock|\.lock$/.test(name)),
    [],
    what,
  )
}

test('a backup proves who has made it, until anything of it is changed by somebody without the key', async () => {
  await using home = storeFolder()
  const path = join(home.folder, 'backup')
  writeFileSync(path, sound.whole)
  assert.deepEqual(
    [[root], ['cd'.repeat(32), root], ['cd'.repeat(32)], []].map((keys) => isProven(path, keys)),
    [true, true, false, false],
  )
  const planted = await tar([folder('home-agents'), { name: 'home-agents/evil.toml' }])
  await written(path, [own('shared'), [part('kept'), planted], own('private')])
  assert.equal(isProven(path, [root]), false)
  const { place, files } = workspaceIn(home.folder)
  const { proven } = await ask<RestoreReport>(place, { ask: 'restore', path, by: 'ann', replace: true, files })
  assert.equal(proven, false)
  writeFileSync(path, sound.whole)
  const alone = await ask<RestoreReport>(place, { ask: 'restore', path, by: 'ann', replace: true, files, databaseOnly: true })
  assert.deepEqual([alone.proven, alone.files], [true, []])
})

const folder = (name: string): Entry => ({ name, type: 'directory' })
const ids = { agents: 'home-agents', versions: 'versions' }

test('a backup whose archives are not what its manifest says is refused, and leaves nothing behind', async () => {
  const kept = async (...entries: readonly Entry[]) => [own('shared'), [part('kept'), await tar(entries)] as const, own('private')] as const
  const sealedAs = async (entries: readonly Entry[], id: string) => collect(sealPieces(of(await tar(entries)), root, id))
  const outside = [folder('vault'), { name: 'vault/../../../evil' }]
  const cases: Readonly<Record<string, readonly (readonly [BackupPart, Buffer])[]>> = {
    'two archives swapped': [[part('shared'), sound.parts['kept']!], [part('kept'), sound.parts['shared']!], own('private')],
    'a sealed archive under the name of another': [own('shared'), [part('kept'), sound.parts['private']!], own('private')],
    'a path with ..': await kept(folder(ids.agents), { name: `${ids.agents}/../../evil` }),
    'an absolute path': await kept({ name: '/evil' }),
    'a folder that the manifest does not have': await kept(folder('vault'), { name: 'vault/evil' }),
    'a file through a link': await kept(
      folder(ids.agents),
      { name: `${ids.agents}/out`, type: 'symlink', linkname: '..' },
      { name: `${ids.agents}/out/evil` },
    ),
    'a link for a folder': await kept({ name: ids.versions, type: 'symlink', linkname: '..' }, { name: `${ids.versions}/evil` }),
    'a name twice': await kept(folder(ids.agents), { name: `${ids.agents}/a` }, { name: `${ids.agents}/a` }),
    'a folder twice': await kept(folder(ids.agents), folder(ids.agents)),
    'a file of the private part in another': await kept({ name: 'config/home.toml' }),
    'a huge size': [own('shared'), [part('kept'), await huge(`${ids.agents}/a`)], own('private')],
    'a part twice': [own('shared'), own('shared'), own('private')],
    'an open private part': [own('shared'), own('kept'), [{ ...part('private'), sealed: null }, await tar([folder('vault')])]],
    'a sealed part with a path outside': [
      own('shared'),
      own('kept'),
      [part('private'), await sealedAs(outside, part('private').sealed!.id)],
    ],
    'a truncated sealed part': [own('shared'), own('kept'), [part('private'), sound.parts['private']!.subarray(0, -1)]],
    'a truncated archive': [own('shared'), [part('kept'), sound.parts['kept']!.subarray(0, 700)], own('private')],
  }
  for (const [what, parts] of Object.entries(cases)) {
    await using home = storeFolder()
    await refused(home.folder, await written(join(home.folder, 'backup'), parts), what)
  }
})

test('a backup that is cut at any place, or whose manifest names another hash or length, is refused', async () => {
  const all = ['shared', 'kept', 'private'].map(own)
  await using home = storeFolder()
  const path = await written(join(home.folder, 'backup'), all)
  const whole = readFileSync(path)
  const cuts = [1, 10, 100, 500, 2_000, 10_000, whole.length - 1, whole.length].map((cut) => whole.subarray(0, whole.length - cut))
  const texts = [
    ['a hash of a part', [/"hash":"[0-9a-f]{64}"/, `"hash":"${'0'.repeat(64)}"`]],
    ['a length', [/"bytes":\d/, '"bytes":9']],
    ['a name', [/"name":"kept"/, '"name":"k/pt"']],
    ['a format', [/oxbow\.backup\.3/, 'oxbow.backup.9']],
  ] as const
  const edited = texts.map(([, [from, to]]) => Buffer.from(whole.toString('latin1').replace(new RegExp(from, 'g'), to), 'latin1'))
  for (const [at, bytes] of [...cuts, ...edited].entries()) {
    rmSync(path, { force: true })
    writeFileSync(path, bytes)
    await refused(home.folder, path, `case ${at}`)
  }
})

test('items that no archive of a backup holds are not touched by a restore that names them', async () => {
  await using home = storeFolder()
  const { place, files } = workspaceIn(home.folder)
  mkdirSync(join(home.folder, 'runner', 'keys'), { recursive: true })
  writeFileSync(join(home.folder, 'runner', 'keys', 'ann.json'), 'mine')
  const items = [...(sound.manifest.items ?? []), 'keys', 'signing-key', 'heads', 'runner', 'database', 'no-such-item']
  const path = await written(join(home.folder, 'backup'), ['shared', 'kept', 'private'].map(own), { items })
  // Not replaced, although it is there.
  await ask(place, { ask: 'restore', path, by: 'ann', replace: false, files })
  assert.equal(readFileSync(join(home.folder, 'runner', 'keys', 'ann.json'), 'utf8'), 'mine')
  assert.equal(readFileSync(join(home.folder, 'users', 'ann', 'vault', 'pin.txt'), 'utf8'), '1234')
})

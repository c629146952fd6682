/** Files of a workspace in backups: there and back, sealed, hostile, and interrupted. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pack as openPack } from 'tar-stream'
import type { BackupReport, FileKeys, RestorePreview, RestoreReport } from '../../config/index.ts'
import { assertRejects, storeFolder } from '../store-fixture.ts'
import type { StorePlace } from '../upkeep/connection.ts'
import { prepareStore } from '../upkeep/on-demand.ts'
import { openPieces, packFiles, sealPieces, unpackFiles } from './file-archive.ts'
import { ask, fillStore, placeIn } from './transfer-fixture.ts'
import { finishRestore, hasPlan, writePlan } from './workspace-files.ts'

const root = 'ab'.repeat(32)

interface Workspace {
  readonly place: StorePlace
  readonly files: FileKeys
  at(...path: string[]): string
}

/** A workspace with a store and files; one of the files is a secret. */
async function workspaceIn(folder: string, isFilled: boolean): Promise<Workspace> {
  const at = (...path: string[]): string => join(folder, 'users', 'ann', ...path)
  for (const name of ['shared', 'vault', 'internal']) mkdirSync(at(name), { recursive: true })
  const place = placeIn(at('internal'))
  const files = { keys: [{ key: root, file: '/keys/ann.json' }], homeConfig: join(folder, 'config.toml'), withHome: true }
  if (isFilled) {
    mkdirSync(at('shared', 'src', 'empty'), { recursive: true })
    writeFileSync(at('shared', 'src', 'run.sh'), '#!/bin/sh\n')
    chmodSync(at('shared', 'src', 'run.sh'), 0o755)
    writeFileSync(at('shared', 'large'), Buffer.alloc(3_000_001, 7))
    symlinkSync('src/run.sh', at('shared', 'link'))
    symlinkSync('/etc/passwd', at('shared', 'out'))
    writeFileSync(at('vault', 'key.txt'), 'kept-in-the-vault')
    mkdirSync(at('internal', 'plugins', 'ledger', 'database'), { recursive: true })
    writeFileSync(at('internal', 'plugins', 'ledger', 'database', 'base'), 'kept-by-a-plugin')
    writeFileSync(at('config.toml'), '# of-this-user\n')
    await using source = storeFolder()
    const store = await source.open()
    await fillStore(store, 5)
    await store.close()
    writeFileSync(place.file, readFileSync(source.path))
  }
  return { place, files, at }
}

test('a backup that the disk has no space for is refused before it begins, and a link to large files is not counted', async () => {
  await using home = storeFolder()
  const { place, files, at } = await workspaceIn(home.folder, true)
  const { bavail, bsize } = statfsSync(home.folder)
  // Sparse: larger than the free space, and takes none.
  const large = join(home.folder, 'outside')
  writeFileSync(large, '')
  truncateSync(large, bavail * bsize + 2 ** 30)
  symlinkSync(large, at('shared', 'to-large'))
  await ask<BackupReport>(place, { ask: 'backup', path: '', files })
  renameSync(large, at('vault', 'large'))
  const backups = readdirSync(place.backups)
  await assertRejects(
    ask(place, { ask: 'backup', path: '', files }),
    'store_full',
    /^The backup needs up to [\d.]+ MiB, and the disk of .* has [\d.]+ MiB free\.$/,
  )
  assert.deepEqual(readdirSync(place.backups), backups)
  await ask<BackupReport>(place, { ask: 'backup', path: '' })
})

test('files, vault, folders of plugins and configuration come back as they were, the replaced files are kept, and nothing of vault and keys is plain', async () => {
  await using home = storeFolder()
  const { place, files, at } = await workspaceIn(home.folder, true)
  const { path, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '', files })
  const bytes = readFileSync(path).toString('latin1')
  assert.ok(!/kept-in-the-vault|kept-by-a-plugin|of-this-user/.test(bytes))
  assert.deepEqual(
    manifest.parts?.map((part) => [part.name, part.files, part.links, part.sealed?.key]),
    [
      ['shared', 2, 2, undefined],
      ['kept', 0, 0, undefined],
      ['private', 3, 0, '/keys/ann.json'],
    ],
  )
  writeFileSync(at('shared', 'src', 'run.sh'), 'changed')
  writeFileSync(at('vault', 'key.txt'), 'changed')
  const ofPlugin = at('internal', 'plugins', 'ledger', 'database', 'base')
  writeFileSync(ofPlugin, 'changed')
  const restore = { ask: 'restore', path, by: 'ann', files } as const
  const { files: changes } = await ask<RestorePreview>(place, { ...restore, replace: false, preview: true })
  assert.deepEqual(
    changes.map(({ change }) => change),
    ['replaced', 'replaced', 'replaced', 'replaced'],
  )
  await assertRejects(ask(place, { ...restore, replace: false }), 'bad_input', /not empty/)
  assert.equal(readFileSync(at('vault', 'key.txt'), 'utf8'), 'changed')
  const report = await ask<RestoreReport>(place, { ...restore, replace: true })
  assert.equal(readFileSync(at('shared', 'src', 'run.sh'), 'utf8'), '#!/bin/sh\n')
  assert.equal(statSync(at('shared', 'src', 'run.sh')).mode & 0o777, 0o755)
  assert.equal(statSync(at('shared', 'large')).size, 3_000_001)
  assert.deepEqual([readlinkSync(at('shared', 'link')), readlinkSync(at('shared', 'out'))], ['src/run.sh', '/etc/passwd'])
  assert.equal(readFileSync(at('vault', 'key.txt'), 'utf8'), 'kept-in-the-vault')
  assert.equal(readFileSync(ofPlugin, 'utf8'), 'kept-by-a-plugin')
  const kept = report.files.find(({ path: to }) => to === at('vault'))?.kept ?? ''
  assert.equal(readFileSync(join(kept, 'key.txt'), 'utf8'), 'changed')
  assert.deepEqual([hasPlan(place), readdirSync(at()).filter((name) => name.includes('restoring'))], [false, []])
})

test('a backup of the database alone, and a restore of it alone, leave files as they are', async () => {
  await using home = storeFolder()
  const { place, files, at } = await workspaceIn(home.folder, true)
  const { path } = await ask<BackupReport>(place, { ask: 'backup', path: '', files })
  const { path: bare, manifest } = await ask<BackupReport>(place, { ask: 'backup', path: join(home.folder, 'bare') })
  assert.deepEqual([manifest.format, manifest.parts], ['oxbow.backup.1', undefined])
  writeFileSync(at('vault', 'key.txt'), 'changed')
  for (const question of [{ path }, { path: bare, files }]) await ask(place, { ask: 'restore', replace: true, by: 'ann', ...question })
  assert.equal(readFileSync(at('vault', 'key.txt'), 'utf8'), 'changed')
})

test('without its key a backup restores what is not sealed, and says what is missing; existing files stay', async () => {
  await using home = storeFolder()
  const { place, files } = await workspaceIn(home.folder, true)
  const { path } = await ask<BackupReport>(place, { ask: 'backup', path: join(home.folder, 'b'), files })
  await using other = storeFolder()
  const empty = await workspaceIn(other.folder, false)
  const keys = [{ key: 'cd'.repeat(32), file: '' }]
  const restore = { ask: 'restore', path, by: 'ann', replace: true } as const
  writeFileSync(empty.at('vault', 'own.txt'), 'mine')
  const { unopened } = await ask<RestoreReport>(empty.place, { ...restore, files: { ...empty.files, keys } })
  assert.deepEqual(
    unopened.map(({ name, sealed }) => [name, sealed?.key]),
    [['private', '/keys/ann.json']],
  )
  assert.ok(existsSync(empty.at('shared', 'large')))
  assert.deepEqual(readdirSync(empty.at('vault')), ['own.txt'])
  assert.deepEqual(readdirSync(empty.at()).toSorted(), ['internal', 'shared', 'vault'])
  await ask(empty.place, { ...restore, files: { ...empty.files, keys: [...keys, ...files.keys] } })
  assert.equal(readFileSync(empty.at('vault', 'key.txt'), 'utf8'), 'kept-in-the-vault')
})

test('configuration of another store is restored next to the current one, so that Oxbow does not use that store', async () => {
  await using home = storeFolder()
  const { place, files, at } = await workspaceIn(home.folder, true)
  const { path } = await ask<BackupReport>({ ...place, shownUrl: 'file' }, { ask: 'backup', path: join(home.folder, 'b'), files })
  writeFileSync(path, readFileSync(path, 'latin1').replace('"store":"file"', '"store":"elsw"'), 'latin1')
  writeFileSync(at('config.toml'), '# now\n')
  const { files: put } = await ask<RestoreReport>(place, { ask: 'restore', path, by: 'ann', replace: true, files })
  assert.equal(readFileSync(at('config.toml'), 'utf8'), '# now\n')
  assert.match(put.at(-1)?.path ?? '', /config\.toml\.from-backup-/)
})

test('a restore interrupted after the journal is finished, one before it is undone', async () => {
  for (const isBehind of [true, false]) {
    await using home = storeFolder()
    const { place, at } = await workspaceIn(home.folder, true)
    const step = (name: string) => ({ staged: `${at(name)}.restoring`, to: at(name), kept: `${at(name)}.replaced-1` })
    const steps = ['shared', 'vault'].map(step)
    for (const { staged } of steps) {
      mkdirSync(staged)
      writeFileSync(join(staged, 'new'), 'new')
    }
    writePlan(place, isBehind ? 'odd0' : 'no such call', steps)
    await finishRestore(place)
    await finishRestore(place)
    assert.deepEqual([existsSync(at('shared', 'new')), existsSync(at('vault', 'new'))], [isBehind, isBehind])
    assert.equal(existsSync(isBehind ? join(`${at('vault')}.replaced-1`, 'key.txt') : at('vault', 'key.txt')), true)
    assert.deepEqual([hasPlan(place), readdirSync(at()).filter((name) => name.includes('restoring'))], [false, []])
  }
})

test('a restore that ends between two renames is finished by the next program, even if the folder was created again', async () => {
  await using home = storeFolder()
  const { place, at } = await workspaceIn(home.folder, true)
  const steps = [{ staged: `${at('vault')}.restoring`, to: at('vault'), kept: `${at('vault')}.replaced-1` }]
  mkdirSync(steps[0]!.staged)
  mkdirSync(steps[0]!.kept)
  writeFileSync(join(steps[0]!.staged, 'new'), 'new')
  writePlan(place, 'odd0', steps)
  await assertRejects(prepareStore(place, false), 'bad_config', /isolated guest cannot finish it/)
  await ask(place, { ask: 'status' })
  assert.equal(readFileSync(at('vault', 'new'), 'utf8'), 'new')
  assert.equal(readdirSync(at()).filter((name) => name.startsWith('vault.replaced-1')).length, 2)
})

interface Hostile {
  readonly name: string
  readonly type?: 'file' | 'symlink' | 'link' | 'directory' | 'fifo' | 'character-device'
  readonly linkname?: string
}

/** Entries as somebody else would write them; each file says `evil`. */
function hostileTar(entries: readonly Hostile[]): AsyncIterable<Uint8Array> {
  const pack = openPack()
  for (const entry of entries) {
    const isFile = (entry.type ?? 'file') === 'file'
    if (isFile) pack.entry(entry, 'evil')
    else pack.entry(entry)
  }
  pack.finalize()
  return pack as AsyncIterable<Uint8Array>
}

test('an archive cannot write outside of its folder, nor through its own links', async () => {
  const folder = { name: 'shared', type: 'directory' } as const
  const hostile: readonly (readonly Hostile[])[] = [
    [folder, { name: 'shared/../../evil' }],
    [{ name: '/evil' }],
    [{ name: '../evil' }],
    [folder, { name: 'evil' }],
    [folder, { name: 'vault/evil' }],
    [folder, { name: 'shared/none/evil' }],
    [folder, { name: 'shared/out', type: 'symlink', linkname: '..' }, { name: 'shared/out/evil' }],
    [
      folder,
      { name: 'shared/out', type: 'symlink', linkname: '..' },
      { name: 'shared/out', type: 'directory' },
      { name: 'shared/out/evil' },
    ],
    [folder, { name: 'shared/f', type: 'symlink', linkname: '../evil' }, { name: 'shared/f' }],
    [{ name: 'shared', type: 'symlink', linkname: '..' }, { name: 'shared/evil' }],
    [folder, { name: 'shared/hard', type: 'link', linkname: '/etc/passwd' }],
    [folder, { name: 'shared/pipe', type: 'fifo' }],
    [folder, { name: 'shared/null', type: 'character-device' }],
    [folder, { name: 'shared/f' }, { name: 'shared/f' }],
    [folder, { name: `shared/${'d/'.repeat(300)}f` }],
    [folder, { name: 'shared/./f' }],
    [{ name: 'shared' }],
    [{ name: 'constructor', type: 'directory' }],
  ]
  for (const entries of hostile) {
    await using home = storeFolder()
    const inner = join(home.folder, 'inner')
    mkdirSync(inner)
    const target = { folders: { shared: join(inner, 'shared') }, texts: new Set<string>(), passed: new Set<string>(), owner: null }
    await assert.rejects(unpackFiles(hostileTar(entries), target), JSON.stringify(entries))
    assert.deepEqual(
      // With types, for without them links are followed: one of the archive may lead to itself.
      readdirSync(home.folder, { recursive: true, withFileTypes: true }).filter(({ name }) => name.includes('evil')),
      [],
    )
  }
})

test('what belongs to the home is not in a backup of a space, nor restored from an older one that has it', async () => {
  await using home = storeFolder()
  const { place, files, at } = await workspaceIn(home.folder, true)
  mkdirSync(join(home.folder, 'agents'))
  writeFileSync(join(home.folder, 'agents', 'a.toml'), '# of the home')
  writeFileSync(files.homeConfig, '# of the home')
  mkdirSync(join(home.folder, 'runner', 'folders'), { recursive: true })
  writeFileSync(join(home.folder, 'runner', 'folders', 'ann.json'), '[]')
  writeFileSync(join(home.folder, 'unknown-to-oxbow'), '')
  mkdirSync(join(home.folder, 'users', 'ann~other'))
  const ofSpace = { ...files, withHome: false }
  const { manifest } = await ask<BackupReport>(place, { ask: 'backup', path: '', files: ofSpace })
  const homes = (items: readonly string[] = []): readonly string[] => items.filter((id) => id.startsWith('home-'))
  assert.deepEqual(homes(manifest.items), ['home-folders'])
  assert.deepEqual(
    manifest.leftOut?.filter(({ instead }) => instead.includes('--space default')).map(({ path }) => path),
    ['agents', 'config.toml'],
  )
  assert.doesNotMatch(JSON.stringify(manifest), /unknown|other/, 'names of what is not of the space')
  const older = await ask<BackupReport>(place, { ask: 'backup', path: join(home.folder, 'older'), files })
  assert.deepEqual(homes(older.manifest.items), ['home-config', 'home-agents', 'home-folders'])
  writeFileSync(files.homeConfig, '# another')
  writeFileSync(at('vault', 'key.txt'), 'changed')
  const question = { ask: 'restore', path: older.path, by: 'ann', files: ofSpace, replace: true } as const
  const { files: put } = await ask<RestoreReport>(place, question)
  assert.ok(!put.some(({ path }) => path === files.homeConfig || path.endsWith('agents')))
  assert.equal(readFileSync(files.homeConfig, 'utf8'), '# another')
  assert.equal(readFileSync(at('vault', 'key.txt'), 'utf8'), 'kept-in-the-vault')
})

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of bytes) parts.push(part)
  return Buffer.concat(parts)
}

async function* of(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* [bytes.subarray(0, 3), bytes.subarray(3)]
}

test('sealed pieces open whole and in order only, under their own key and archive', async () => {
  const plain = Buffer.alloc(2_500_000, 'x')
  const sealed = await collect(sealPieces(of(plain), root, 'a'))
  assert.ok(plain.equals(await collect(openPieces(of(sealed), ['00'.repeat(32), root], 'a'))))
  assert.equal((await collect(openPieces(of(await collect(sealPieces(of(Buffer.alloc(0)), root, 'a'))), [root], 'a'))).length, 0)
  const length = 4 + sealed.readUInt32BE(0)
  const [first, second, rest] = [sealed.subarray(0, length), sealed.subarray(length, 2 * length), sealed.subarray(2 * length)]
  const harmed = [
    sealed.subarray(0, -1),
    sealed.subarray(0, 2 * length),
    Buffer.concat([second, first, rest]),
    Buffer.concat([first, rest]),
    Buffer.concat([sealed, sealed]),
    Buffer.from(sealed).fill(0xff, 0, 4),
    Buffer.from(sealed).fill(~sealed[100]!, 100, 101),
    Buffer.alloc(0),
  ]
  for (const bytes of harmed) await assert.rejects(collect(openPieces(of(bytes), [root], 'a')))
  await assert.rejects(collect(openPieces(of(sealed), [root], 'b')), /another key/)
})

test('a link in place of a folder is archived as a link, and its target is not read', async () => {
  await using home = storeFolder()
  const { at } = await workspaceIn(home.folder, false)
  writeFileSync(at('vault', 'secret'), 'do-not-read')
  symlinkSync(at('vault'), at('shared', 'folder'))
  const { bytes, counts } = packFiles({ folders: { shared: at('shared') }, texts: {} })
  assert.ok(!(await collect(bytes)).includes('do-not-read'))
  assert.deepEqual([counts.files, counts.links], [0, 1])
  assert.ok(lstatSync(at('shared', 'folder')).isSymbolicLink())
})

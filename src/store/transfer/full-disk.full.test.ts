import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { StoreStatus, StoreVerifyReport } from '../../config/index.ts'
import { convertFile } from '../secrets/file-encryption.ts'
import { assertRejects, storeFolder, type StoreFolder } from '../store-fixture.ts'
import { ask, fillStore, placeIn } from './transfer-fixture.ts'

/** A small file system; null, with the reason printed, where it cannot be mounted. */
function smallDisk(t: TestContext, files: StoreFolder, kib: number, name = 'disk'): (Disposable & { readonly path: string }) | null {
  const path = join(files.folder, name)
  mkdirSync(path, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'oxbow-test', path], { encoding: 'utf8' })
  if (mounted.status !== 0) {
    t.skip(`a small file system needs root and mount: ${mounted.stderr || String(mounted.error)}`)
    return null
  }
  return { path, [Symbol.dispose]: () => void spawnSync('umount', ['--lazy', path]) }
}

async function filled(files: StoreFolder): Promise<void> {
  const store = await files.open()
  await fillStore(store, 300)
  await store.close()
}

test('a backup to a full disk leaves nothing there, also when the disk fills meanwhile, and a restore changes nothing', async (t) => {
  await using files = storeFolder()
  using disk = smallDisk(t, files, 512)
  if (disk === null) return
  await filled(files)
  const place = placeIn(files.folder)
  await assertRejects(ask(place, { ask: 'backup', path: join(disk.path, 'backup') }), 'store_full', /MiB free/)
  assert.deepEqual(readdirSync(disk.path), [])
  using second = smallDisk(t, files, 4_096, 'second')
  if (second === null) return
  const filler = join(second.path, 'filler')
  const fill = (): void => writeFileSync(filler, Buffer.alloc(3_900 * 1024))
  await assertRejects(ask(place, { ask: 'backup', path: join(second.path, 'backup') }, { tell: fill }), 'store_full', /^(?!.*MiB free)/)
  assert.deepEqual(readdirSync(second.path), ['filler'])
  const path = join(files.folder, 'backup')
  await ask(place, { ask: 'backup', path })
  await assertRejects(ask(placeIn(disk.path), { ask: 'restore', path, replace: false, by: 'ann' }), 'store_full')
  assert.deepEqual(
    readdirSync(disk.path).filter((name) => !name.endsWith('.lock')),
    [],
  )
})

test('on a full disk, migrate and vacuum fail and leave the store unchanged', async (t) => {
  await using files = storeFolder()
  using disk = smallDisk(t, files, 2_048)
  if (disk === null) return
  await filled(files)
  await ask(placeIn(files.folder), { ask: 'migrate', to: 1, dryRun: false, withoutCopy: true })
  const place = placeIn(disk.path)
  copyFileSync(files.path, place.file)
  const before = readFileSync(place.file)
  await assertRejects(ask(place, { ask: 'migrate', dryRun: false, withoutCopy: false }), 'store_full')
  assert.equal((await ask<StoreStatus>(place, { ask: 'status' })).version, 1)
  await assertRejects(ask(place, { ask: 'vacuum' }), 'store_full', /MiB free/)
  assert.deepEqual(readFileSync(place.file), before)
})

test('a store that cannot be encrypted on a full disk stays unchanged, and the attempt leaves no files', async (t) => {
  await using files = storeFolder()
  await filled(files)
  const { size } = statSync(files.path)
  // Space for the store but not its copy; then for the copy but not for encrypting it.
  for (const room of [1.5, 2.2]) {
    using disk = smallDisk(t, files, Math.ceil((room * size) / 1024))
    if (disk === null) return
    const place = placeIn(disk.path)
    copyFileSync(files.path, place.file)
    const cipher = { masters: ['11'.repeat(32)], required: false }
    await assertRejects((async () => convertFile({ path: place.file, cipher, to: '11'.repeat(32) }))(), 'store_full')
    assert.deepEqual(
      readdirSync(disk.path).filter((name) => !name.endsWith('.lock')),
      ['oxbow.db'],
    )
    assert.equal((await ask<StoreVerifyReport>(place, { ask: 'verify' })).ok, true)
  }
})

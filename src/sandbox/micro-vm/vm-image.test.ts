import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { buildVmImage } from './vm-image.ts'

it('an image whose file system cannot be made is refused before anything is copied, with the package to install', async (t) => {
  const above = mkdtempSync(join(tmpdir(), 'oxbow-vm-image-'))
  t.after(() => rmSync(above, { recursive: true }))
  const folder = join(above, 'images')
  await assert.rejects(buildVmImage({ folder, extras: [], kernel: null, searchPath: '/nowhere' }), {
    code: 'sandbox_missing',
    message: /mke2fs not found/,
    hint: /apt-get install e2fsprogs/,
  })
  assert.equal(existsSync(folder), false)
})

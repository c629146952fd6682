import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pullFile } from './pull-file.ts'

test('a file whose last bytes do not fit the disk is not complete', async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'oxbow-pull-'))
  t.after(() => rmSync(disk, { recursive: true }))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'oxbow-test', disk], { encoding: 'utf8' })
  if (mounted.status !== 0) return t.skip(`a small file system needs root and mount: ${mounted.stderr || String(mounted.error)}`)
  // The note of where it is from takes a page, too.
  const server = createServer((_, response) => response.writeHead(200, { etag: '"1"' }).end(Buffer.alloc(63 * 1024, 'x')))
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await assert.rejects(pullFile(new URL(`http://127.0.0.1:${port}/model`), join(disk, 'model'), 1024 * 1024), {
      code: 'tool_failed',
      message: /ENOSPC/,
    })
  } finally {
    server.closeAllConnections()
    server.close()
    spawnSync('umount', ['--lazy', disk])
  }
})

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { UserId } from '../base/index.ts'
import { parseConfig } from '../services/index.ts'
import { startGuest } from './guest.ts'

test('a guest that cannot write its token, as on a full disk, names the file and what to do', async (t) => {
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'oxbow-guest-'))
  t.after(() => rmSync(workspaceRoot, { recursive: true }))
  for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs', 'ipc/token']) mkdirSync(join(workspaceRoot, folder))
  const starting = startGuest({
    user: 'ada' as UserId,
    workspaceRoot,
    config: parseConfig({}, 'this test'),
    insecure: false,
    version: '0.0.0',
    keys: {},
  })
  await assert.rejects(starting, { code: 'store_failed', message: /ipc\/token cannot be written \(EISDIR\)/ })
})

/** Ten thousand damaged locks of plugins. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openHome } from '../home.ts'
import { checkDamagedLocks } from './lock-fixture.ts'

test('no damaged lock or seal starts a plugin or crashes', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-locks-'))
  try {
    checkDamagedLocks(openHome({ OXBOW_HOME: root }), 10_000)
  } finally {
    rmSync(root, { recursive: true })
  }
})

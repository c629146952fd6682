import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/store/index.ts'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { describeRunsContract } from './runs-contract.ts'

describeRunsContract('SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-runs-'))
  const store = await openSqliteStore({ path: join(folder, 'guest.db'), user, durability: 'normal' })
  await store.opened()
  return {
    store,
    async drop() {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { createVectorIndex } from '../../src/memory/embed/vector-index.ts'
import { createLocalTextEngine } from '../../src/memory/text/text-thread.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import type { UserId } from '../../src/base/index.ts'

void it('making vectors resumes where a killed guest stopped, and loses nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-vectors-'))
  try {
    const path = join(folder, 'store.db')
    const child = fork(new URL('./vector-maker.ts', import.meta.url), [path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    await Promise.race([once(child, 'message'), once(child, 'exit')])
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    const store = await openSqliteStore({ path, user: 'ada' as UserId, durability: 'normal' })
    try {
      const { passages, models } = await store.memory.stats()
      const made = models[0]?.vectors ?? 0
      assert.equal(passages, 2_000)
      assert.ok(made > 0 && made < 2_000, `${made} vectors were made before the end`)
      const text = createLocalTextEngine({ embedder: 'hash' })
      const index = createVectorIndex({ memory: store.memory, text: async () => text, monotonicMs: () => performance.now() })
      await index.caughtUp()
      assert.equal(index.fault(), null)
      assert.deepEqual((await store.memory.stats()).models, [{ model: 'hash-64-v2', dims: 64, state: 'active', vectors: 2_000 }])
      await index.close()
    } finally {
      await store.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

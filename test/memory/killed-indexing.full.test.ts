import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { it } from 'node:test'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { openSqliteStore, type Store } from '../../src/store/index.ts'
import type { CallId, SessionId, TurnId } from '../../src/base/index.ts'
import type { NewRecord } from '../../src/protocol/index.ts'
import { openMemoryOver } from './memory-fixture.ts'

const messages = 500
const session = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

function said(i: number): NewRecord {
  const call = `01890a5d-ac96-774b-8000-${String(i).padStart(12, '0')}` as CallId
  const body = JSON.stringify({ text: `Message number ${i} tells of word${i}.` })
  return {
    at: 1_750_000_000_000 + i,
    actor: 'user:ada',
    session,
    turn: call as string as TurnId,
    call,
    name: 'turn.send',
    phase: 'started',
    body,
  }
}

async function openFile(path: string): Promise<Store> {
  const store = await openSqliteStore({ path, user, durability: 'normal' })
  await store.opened()
  return store
}

it('an indexer that is killed again and again loses no message and keeps none twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-killed-index-'))
  const path = join(folder, 'oxbow.db')
  try {
    const first = await openFile(path)
    await first.append({ records: Array.from({ length: messages }, (_, i) => said(i)) })
    await first.close()
    let reached = 0
    for (const until of [1, 250]) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'indexer-to-kill.ts'), path], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const ended = once(child, 'exit')
      for await (const line of createInterface({ input: child.stdout })) {
        reached = Math.max(reached, Number(line))
        if (reached >= until) break
      }
      child.kill('SIGKILL')
      await ended
    }
    assert.ok(reached >= 250)
    const store = await openFile(path)
    const memory = openMemoryOver(store)
    while ((await store.memory.cursor('journal')) < messages) await memory.caughtUp()
    const ids = new Set<string>()
    for (let after: { createdAt: number; id: string } | undefined; ;) {
      const page = await store.memory.list({}, 500, after)
      for (const { id, createdAt } of page) {
        assert.ok(!ids.has(id))
        ids.add(id)
        after = { createdAt, id }
      }
      if (page.length < 500) break
    }
    assert.equal(ids.size, messages)
    const [hit] = await (await memory.recall()).recall({ text: 'word431', filter: {}, limit: 3, tokens: 500 })
    assert.match(hit?.text ?? '', /word431/)
    await memory.close()
    await store.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/**
 * A rehearsal of a guest that waits for its user: a guest of nobody, with a store in memory and the offline model, gets one message as a program
 * would send it, and ends. What a first message loads and compiles is there from then on, and nothing else is left of it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { UserId } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { openMemoryStore } from '../../store/index.ts'
import { startGuest } from '../guest.ts'

/** @param text its configuration; null: none comes any more @throws where something of it fails; the guest that follows does not need it */
export async function rehearse(text: string | null): Promise<void> {
  if (text === null) return
  const config = JSON.parse(text) as Config
  const user = 'nobody' as UserId
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'oxbow-spare-'))
  try {
    for (const name of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(workspaceRoot, name))
    const store = await openMemoryStore({ user })
    const opening = Promise.resolve({ ...store, opened: async () => {} })
    const guest = await startGuest({ user, workspaceRoot, config, insecure: false, version: '', keys: {} }, {}, opening)
    try {
      await ask(guest)
    } finally {
      await guest.close()
    }
  } finally {
    rmSync(workspaceRoot, { recursive: true, force: true })
  }
}

async function ask({ url, token }: { readonly url: string; readonly token: string }): Promise<void> {
  const { request } = process.getBuiltinModule('node:http')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }
  await new Promise<void>((resolve, reject) => {
    const asked = request(`http://${new URL(url).host}/api/v1/messages`, { method: 'POST', headers, agent: false }, (response) => {
      response.resume()
      response.once('end', resolve)
    })
    asked.once('error', reject)
    asked.end(JSON.stringify({ text: 'hello' }))
  })
}

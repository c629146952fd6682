import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { it } from 'node:test'
import { freeze } from './machine-snapshot.ts'

it('a QEMU that goes wrong while it is asked to freeze fails the snapshot, in words, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-freeze-'))
  t.after(() => rm(folder, { recursive: true }))
  const run = async (atFirst: 'ends' | 'refuses'): Promise<unknown> => {
    const [port, qemu] = duplexPair()
    const exited = Promise.withResolvers<number | null>()
    const frozen = freeze({ monitor: port, exited: exited.promise }, folder, join(folder, 'draft')).catch((error: unknown) => error)
    await once(qemu, 'data')
    if (atFirst === 'refuses') qemu.write('{"error": {"desc": "no"}}\n')
    else exited.resolve(1)
    const error = await frozen
    exited.resolve(1)
    // A rejection that nobody waits for would end the process now.
    await new Promise((resolve) => setImmediate(resolve))
    return error
  }
  assert.match(String(await run('ends')), /QEMU exited/)
  assert.match(String(await run('refuses')), /snapshot: no\./)
})

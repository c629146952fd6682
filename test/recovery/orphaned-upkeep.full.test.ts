/** A terminal program that is killed takes with it the program that looks after the store for it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { shareCompileCache } from '../support/compile-cache.ts'
import { program } from '../support/built.ts'

test('a killed `oxbow store move` stops its guest program, says so, and leaves the store unchanged', async () => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-orphan-'))
  shareCompileCache(home)
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const run = (...args: string[]) => spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'ignore', 'ignore'] })
  // Takes connections and never says a word: the move waits.
  const mute = createServer()
  await new Promise<void>((resolve) => void mute.listen(0, '127.0.0.1', resolve))
  try {
    assert.deepEqual(await once(run('run', 'help'), 'exit'), [0, null])
    const connected = once(mute, 'connection') as Promise<[Socket]>
    const move = run('store', 'move', `postgres://ann@127.0.0.1:${(mute.address() as AddressInfo).port}/oxbow`)
    const gone = once(move, 'exit')
    const [socket] = await Promise.race([connected, gone.then(() => assert.fail('the move ended by itself'))])
    const left = once(socket.on('error', () => {}).resume(), 'close')
    move.kill('SIGKILL')
    await Promise.all([gone, left])
    assert.match(
      readFileSync(join(home, 'users/default/logs/guest.stderr.log'), 'utf8'),
      /stopped, because the command that asked has ended/,
    )
    assert.deepEqual(await once(run('store', 'verify'), 'exit'), [0, null])
  } finally {
    await new Promise((resolve) => mute.close(resolve))
    rmSync(home, { recursive: true, force: true })
  }
})

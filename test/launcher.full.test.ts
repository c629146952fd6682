import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { shareCompileCache } from './support/compile-cache.ts'
import { inTime } from './support/patience.ts'

const launcher = fileURLToPath(new URL('../bin/oxbow.js', import.meta.url))
/** On an older Node it starts a newer one, and has to hand signals on. */
const asOldNode = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })`

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  void test(`${signal} to bin/oxbow.js stops oxbow serve and its guest`, async () => {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-launcher-'))
    shareCompileCache(home)
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
    const child = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(asOldNode)}`, launcher, 'serve'], {
      env,
      detached: true,
    })
    try {
      let output = ''
      child.stdout.on('data', (bytes: Buffer) => (output += String(bytes)))
      child.stderr.on('data', (bytes: Buffer) => (output += String(bytes)))
      const serves = async (): Promise<void> => {
        while (!output.includes('Ctrl+C stops it.')) await once(child.stdout, 'data')
      }
      await inTime(serves(), () => `the guest to serve; the output is ${output}`)
      const guest = Number(/pid +(\d+)/.exec(output)?.[1])
      assert.notEqual(guest, child.pid)
      child.kill(signal)
      const [code] = (await inTime(once(child, 'close'), () => `the launcher to end; the output is ${output}`)) as [number | null]
      assert.equal(code, 0)
      assert.throws(() => process.kill(guest, 0), { code: 'ESRCH' })
    } finally {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    }
  })
}

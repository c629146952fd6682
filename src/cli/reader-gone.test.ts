import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

void test('a reader who has seen enough, like head, is no crash', async () => {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, [program, 'doctor', '--help'], { stdio: ['ignore', 'pipe', 'pipe'], env: { HOME: '/nonexistent' } })
  child.stdout.destroy()
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([code, errors], [0, ''])
})

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('./main.ts', import.meta.url))

void test('--version prints the version of package.json', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  assert.equal(execFileSync(process.execPath, [program, '--version'], { encoding: 'utf8' }), `${manifest.version}\n`)
})

void test('a reader who has seen enough, like head, is no crash', async () => {
  const child = spawn(process.execPath, [program, 'doctor', '--help'], { stdio: ['ignore', 'pipe', 'pipe'], env: { HOME: '/nonexistent' } })
  child.stdout.destroy()
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([code, errors], [0, ''])
})

void test('an answer that a full disk cuts off is no success', { skip: !existsSync('/dev/full') && 'there is no /dev/full' }, async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [program, 'doctor', '--help'], { stdio: ['ignore', full, 'pipe'], env: { HOME: '/nonexistent' } })
  closeSync(full)
  let errors = ''
  child.stderr?.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 2)
  assert.match(errors, /^error: the output cannot be written: ENOSPC/)
})

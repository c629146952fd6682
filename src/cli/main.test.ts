import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { daemonEntry, program } from '../../test/support/built.ts'

void test('--version prints the version of package.json', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  for (const each of [program, daemonEntry])
    assert.equal(execFileSync(process.execPath, [each, '--version'], { encoding: 'utf8' }), `${manifest.version}\n`)
})

void test('a reader that closes the pipe early, such as head, causes no crash', async () => {
  const child = spawn(process.execPath, [program, 'doctor', '--help'], { stdio: ['ignore', 'pipe', 'pipe'], env: { HOME: '/nonexistent' } })
  child.stdout.destroy()
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([code, errors], [0, ''])
})

void test('output truncated by a full disk is a failure', { skip: !existsSync('/dev/full') && 'there is no /dev/full' }, async () => {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [program, 'doctor', '--help'], { stdio: ['ignore', full, 'pipe'], env: { HOME: '/nonexistent' } })
  closeSync(full)
  let errors = ''
  child.stderr?.on('data', (bytes: Buffer) => (errors += String(bytes)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 2)
  assert.match(errors, /^error: cannot write the output: ENOSPC/)
})

const noProc = process.platform !== 'linux' && 'only Linux has /proc'
const noBubblewrap = spawnSync('bwrap', ['--ro-bind', '/', '/', 'true']).status !== 0 && 'apt-get install bubblewrap'

void test('a home that nobody can create ends the program at once, with what to do', { skip: noProc }, () => {
  const env = { PATH: process.env['PATH'], HOME: '/proc/1/nonexist' }
  const ended = spawnSync(process.execPath, [program, 'run', 'hi'], { env, input: '', encoding: 'utf8', timeout: 30_000 })
  assert.equal(ended.status, 3, ended.signal ?? '')
  assert.equal(
    ended.stderr,
    'error: the folder /proc/1/nonexist/.oxbow cannot be created: nothing can be created in /proc/1\n' +
      'hint: Set OXBOW_HOME to a folder that you can write to: OXBOW_HOME=/path/to/folder oxbow\n',
  )
})

void test('a read-only home says that it is read-only, whether its folders exist or not', { skip: noBubblewrap }, () => {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-read-only-'))
  try {
    for (const [OXBOW_HOME, problem] of [
      [join(home, 'new', 'home'), 'cannot be created'],
      [home, 'cannot be used'],
    ] as const) {
      const args = ['--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', process.execPath, program, 'run', 'hi']
      const env = { PATH: process.env['PATH'], OXBOW_HOME }
      const ended = spawnSync('bwrap', args, { env, input: '', encoding: 'utf8', timeout: 30_000 })
      assert.equal(ended.status, 3)
      assert.match(
        ended.stderr,
        new RegExp(`^error: the folder ${home}\\S* ${problem}: the file system is read-only\nhint: Set OXBOW_HOME`),
      )
    }
  } finally {
    rmSync(home, { recursive: true })
  }
})

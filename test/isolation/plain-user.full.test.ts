/** The process tier without root: the same walls, fewer limits, and a status that says which. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { SandboxStatus } from '../../src/protocol/index.ts'
import { surprises } from './expected.ts'
import type { Observation } from './run-abuse.ts'

const run = promisify(execFile)
const asRoot = process.getuid?.() === 0
/** Of nobody: outside the ranges of people, system accounts and containers, and not the sandbox's own. */
const uid = 60_997

interface Told {
  readonly seen: readonly Observation[]
  readonly status: SandboxStatus
  readonly uid: number
  readonly baitLives: boolean
}

test('a plain user has the same walls, and is told which limits are missing', { timeout: 300_000 }, async (t) => {
  const script = join(import.meta.dirname, 'plain-user.ts')
  const stepDown = asRoot ? ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'] : []
  const reachable = await run('/usr/bin/env', [...stepDown, process.execPath, '--check', script]).then(
    () => true,
    () => false,
  )
  if (!reachable) return t.skip('a plain user cannot read these sources or Node: put the repository below a folder that all may enter')
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-plain-'))
  if (asRoot) await chown(folder, uid, uid)
  const env = { PATH: process.env['PATH'], TMPDIR: folder, HOME: folder }
  const { stdout } = await run('/usr/bin/env', [...stepDown, process.execPath, script], { env, cwd: folder, maxBuffer: 1_000_000 })
  const told = JSON.parse(stdout) as Told
  assert.deepEqual(surprises('process', told.seen), [])
  assert.ok(told.baitLives)
  assert.notEqual(told.uid, 0)
  const memory = [...told.status.limits, ...told.status.degraded].find((line) => line.startsWith('memory: '))
  assert.ok(memory, 'the memory is limited, or the status says that it is not')
  if (asRoot) assert.ok(told.status.degraded.some((line) => line.startsWith('memory: ')))
  assert.deepEqual(await readdir(folder), [])
  await rm(folder, { recursive: true })
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { toReplyFailure } from '../failure.ts'
import { deletePath } from './move-path.ts'

it('a tree that is deeper than a path may be long is left to the command that can delete it', async () => {
  const real = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-deep-')))
  const deeper = 'i=0; while [ $i -lt 25 ]; do mkdir "$0" && cd -P "$0" 2>/dev/null; i=$((i + 1)); done'
  execFileSync('/bin/bash', ['-c', deeper, 'd'.repeat(200)], { cwd: real, stdio: 'ignore' })
  const asked = deletePath(
    [{ virtual: '/shared', real }],
    { path: `/shared/${'d'.repeat(200)}`, recursive: true },
    new AbortController().signal,
  )
  const { message, hint } = toReplyFailure(await asked.catch((error: unknown) => error))
  assert.match(message, /^\/shared\/d+ contains folders that are nested too deeply to be deleted here\.$/)
  assert.match(hint, /rm -rf/)
  execFileSync('rm', ['-rf', real])
  await rm(real, { recursive: true, force: true })
})

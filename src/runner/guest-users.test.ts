import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { markUse } from './guest-users.ts'

void test('the mark of a verb that was killed goes with the next verb, and the one of a verb that works stays', () => {
  const ipc = mkdtempSync(join(tmpdir(), 'oxbow-ipc-'))
  try {
    const { pid } = spawnSync(process.execPath, ['--version'])
    writeFileSync(join(ipc, `verb-${pid}-killed`), '')
    writeFileSync(join(ipc, `verb-${process.pid}-works`), '')
    writeFileSync(join(ipc, 'gateway.json'), '{}')
    const done = markUse(ipc)
    const left = readdirSync(ipc)
    assert.deepEqual([left.length, left.includes(`verb-${pid}-killed`)], [3, false])
    done()
    assert.deepEqual(readdirSync(ipc).sort(), ['gateway.json', `verb-${process.pid}-works`])
  } finally {
    rmSync(ipc, { recursive: true })
  }
})

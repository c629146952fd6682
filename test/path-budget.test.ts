/** One story: one prompt with one tool call passes few source files from gateway to reply, counted by running it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startScriptedServer } from '../src/engine/index.ts'
import { type GuestEnvelope, parseConfig, type UserId } from '../src/types/index.ts'

/**
 * What was reached, from gateway to reply; it may only fall. The aim is 25, see docs/decisions/2026-11-21-path-budget.md.
 * The words of the ground floor (`types/`) and the numbers of `limits.ts` are not steps of a story. */
const maxFiles = 72

const isStep = (path: string): boolean => !path.startsWith('types/') && !path.endsWith('/limits.ts')

const steps = [{ events: [{ tool_call: { name: 'file_list', arguments: { path: '/shared' } } }] }, { events: [{ text: 'Nothing there.' }] }]

void test('a prompt with one tool call passes no more source files than was reached from gateway to reply', async (t) => {
  const workspaceRoot = mkdtempSync(join(tmpdir(), 'oxbow-path-'))
  const model = await startScriptedServer({ turns: [{ steps }, { steps }] })
  try {
    for (const folder of ['shared', 'tmp', 'vault', 'internal', 'ipc', 'logs']) mkdirSync(join(workspaceRoot, folder))
    const envelope: GuestEnvelope = {
      user: 'ada' as UserId,
      workspaceRoot,
      // What is remembered of a turn when it is over, in the background, is a story of its own.
      config: parseConfig({ model: { provider: 'openai', base_url: model.url }, memory: { index_messages: false } }, 'this test'),
      // The story is the same with bubblewrap, which starts hands in another way and only once.
      insecure: true,
      version: '0.0.0',
      keys: { OPENAI_API_KEY: 'sk-not-a-key' },
    }
    const program = fileURLToPath(new URL('path-budget/measured-guest.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(envelope)])
    const { files, outcome } = JSON.parse(stdout) as { files: readonly string[]; outcome: string }
    assert.match(outcome, /Nothing there/, 'the turn ran to its reply')
    const passed = files.filter(isStep)
    t.diagnostic(`${passed.length} files: ${passed.join(', ')}`)
    assert.ok(passed.some((path) => path.startsWith('gateway/')) && passed.some((path) => path.startsWith('tools/')), 'it was counted')
    assert.ok(passed.length <= maxFiles, `${passed.length} files, at most ${maxFiles}:\n${passed.join('\n')}`)
  } finally {
    await model.close()
    rmSync(workspaceRoot, { recursive: true, force: true })
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openScriptEngine } from './script-run.ts'
import { sharedOutput, type ToolJob } from './tool-channel.ts'

void test('the interpreter ends a tool that spins by itself, without a keeper that ends its thread', async () => {
  const engine = await openScriptEngine(24)
  const output = sharedOutput(100)
  const job: Omit<ToolJob, 'port'> = {
    kind: 'js',
    code: new TextEncoder().encode('export default () => { for (;;) try { for (;;); } catch {} }'),
    function: undefined,
    input: 'null',
    mounts: [],
    limits: { memoryMb: 24, timeoutMs: 20, outputBytes: 100, fileBytes: 100 },
    stdout: output,
    stderr: output,
    signal: output,
    waits: false,
    prelude: '',
  }
  const answer = engine.run(job, [], { callHost: () => 'null', waitedMs: () => 0 })
  assert.equal('failure' in answer && answer.failure.code, 'timeout')
})

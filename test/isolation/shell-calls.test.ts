/** The calls on shells, as a model makes them, in a real sandbox. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../src/tools/index.ts'
import type { Call, CallContext, Done } from '../../src/protocol/index.ts'

const calls = new Map<string, Call>(builtinCalls({ files: true, shell: true }).map((call) => [call.name, call]))

describe('shell calls in a real sandbox', () => {
  let bench: Workbench
  before(async () => {
    bench = await makeWorkbench()
  })
  after(async () => {
    await bench?.[Symbol.asyncDispose]()
  })
  const run = async (name: string, input: object, signal = new AbortController().signal): Promise<Done<any>> => {
    const context = { signal, sandbox: bench.sandbox, caller: { session: 'one', audience: 'model' } } as unknown as CallContext
    const call = calls.get(name)!
    const done = await call.run(call.input.parse(input), context)
    call.output.parse(done.output)
    for (const path of [bench.root, process.cwd()]) assert.ok(!JSON.stringify(done).includes(path), 'no path of the host')
    return done
  }

  it('debug a program with its interpreter, step by step', async () => {
    const { id, terminal } = (await run('shell.session_open', { terminal: true })).output
    assert.equal(terminal, true)
    await run('shell.session_write', {
      id,
      text: `perl -e 'print "name? "; $| = 1; $n = <STDIN>; chomp $n; print "hello $n\\n"; exit 4'`,
      quiet_ms: 300,
    })
    const asked = await run('shell.session_read', { id, wait_s: 20, from: 0 })
    assert.match(asked.text!, /still running/)
    const { text, output, ok } = await run('shell.session_write', { id, text: 'ox', quiet_ms: 20_000, wait_s: 20 })
    assert.match(text!, /^shell-1-\w+: waiting for input; exit code 4\. Output \d+ to \d+ of \d+ bytes\.\n/)
    assert.match(output.text, /^(?:name\? )?(?:ox)?\s*hello ox$/m)
    assert.equal(ok, false)
    assert.match(
      (await run('shell.session_close', { id })).text!,
      /^Closed shell-1-\w+: ended (?:by signal SIGHUP|with exit code \d+), after \d+ bytes of output\.$/,
    )
  })

  it('run a job through the cancel of what waits for it, and of the turn that started it', async () => {
    const turn = new AbortController()
    const starting = run(
      'shell.background',
      { command: 'until [ -e /shared/go ]; do sleep 0.02; done; echo went', wait_s: 60 },
      turn.signal,
    )
    // The list tells of it as soon as it is there.
    let listed: string[] = []
    while (listed.length === 0) listed = (await run('shell.session_list', {})).output.sessions.map((each: { id: string }) => each.id)
    turn.abort()
    await assert.rejects(starting, { code: 'cancelled' })
    const [id] = listed
    assert.match(
      (await run('shell.session_list', {})).text!,
      /: "until \[ -e .* done; echo went", started in \/shared \d+ s ago; still running; 0 bytes of output$/,
    )
    await run('shell.exec', { command: 'touch /shared/go' })
    const { output } = await run('shell.session_read', { id, wait_s: 60, from: 5 })
    assert.deepEqual([output.running, output.exit_code, output.total], [false, 0, 5])
    assert.equal((await run('shell.session_read', { id })).output.text, 'went\n')
    await run('shell.session_close', { id })
  })

  it('name the open ones to who asks for another, and never a path of the host', async () => {
    const { id } = (await run('shell.background', { command: 'exec sleep 600', wait_s: 0 })).output
    await assert.rejects(run('shell.session_read', { id: 'job-99-zzzzzz' }), (error: Error & { hint: string }) => {
      assert.match(error.message, /before the sandbox was started again/)
      assert.ok(error.hint.includes(id))
      return true
    })
    await assert.rejects(run('shell.session_open', { cwd: '/etc' }), { code: 'path_refused' })
    await assert.rejects(run('shell.session_write', { id, text: 'x' }), { code: 'tool_failed' })
    const sent = await run('shell.session_signal', { id, signal: 'SIGTERM' })
    assert.equal(sent.text, `Sent SIGTERM to 1 process of ${id}.`)
    const { text, ok } = await run('shell.session_read', { id, wait_s: 20 })
    assert.deepEqual([text, ok], [`${id}: ended by signal SIGTERM. Output 0 to 0 of 0 bytes.\n(no output)`, false])
    await run('shell.session_close', { id })
  })
})

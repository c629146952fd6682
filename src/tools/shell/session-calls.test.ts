import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createFakeSandbox, type FakeSandboxOptions } from '../../sandbox/fake/fake-sandbox.ts'
import type { Call, CallContext, Done } from '../../protocol/index.ts'
import { builtinCalls } from '../index.ts'
import { ownerOf } from './session-arguments.ts'

const calls = new Map<string, Call>(builtinCalls({ files: true, shell: true }).map((call) => [call.name, call]))

/** Conversations over one sandbox; inputs and outputs are parsed as the kernel does. */
function sandbox(run?: FakeSandboxOptions['run']) {
  const fake = createFakeSandbox(new Map(), run === undefined ? {} : { run })
  return (session: string, audience = 'model') => {
    const context = { signal: new AbortController().signal, sandbox: fake, caller: { session, audience } } as unknown as CallContext
    return async (name: string, input: object): Promise<Done<any>> => {
      const call = calls.get(name)!
      const done = await call.run(call.input.parse(input), context)
      call.output.parse(done.output)
      return done
    }
  }
}

const says = (stdout: string, exitCode = 0) => sandbox(() => Promise.resolve({ stdout, exitCode }))

describe('calls on shell sessions', () => {
  it('show the state first, then the output, and are ok only if the command is', async () => {
    const run = says('out\n', 2)('a')
    const { output, text } = await run('shell.session_open', { terminal: true })
    assert.deepEqual(output, { id: 'shell-1-fake', terminal: true })
    assert.match(text!, /^Opened shell-1-fake with a terminal of 120 columns and 30 rows;/)
    const written = await run('shell.session_write', { id: output.id, text: 'x' })
    assert.deepEqual([written.text, written.ok], ['shell-1-fake: waiting for input; exit code 2. Output 0 to 4 of 4 bytes.\nout', false])
    assert.deepEqual([written.output.running, written.output.waits_for_input, written.output.exit_code], [true, true, 2])
    const ended = await run('shell.session_write', { id: output.id, text: 'exit 0' })
    assert.deepEqual([ended.text, ended.ok], ['shell-1-fake: ended with exit code 0. Output 4 to 4 of 4 bytes.\n(no output)', true])
    assert.equal(
      (await run('shell.session_close', { id: output.id })).text,
      'Closed shell-1-fake: ended with exit code 0, after 4 bytes of output.',
    )
    assert.equal((await run('shell.session_list', {})).text, 'No session is open and no job is running.')
  })

  it('read page by page, and the newest output by default', async () => {
    const run = says('0123456789'.repeat(10))('a')
    const { id } = (await run('shell.background', { command: 'x' })).output
    assert.match(
      (await run('shell.session_read', { id, from: 0, max_bytes: 20 })).text!,
      /^job-1-fake: ended with exit code 0\. Output 0 to 20 of 100 bytes\.\n(0123456789){2}\n\[Continue with from 20\.\]$/,
    )
    const { output } = await run('shell.session_read', { id, max_bytes: 16 })
    assert.deepEqual([output.text, output.from, output.next], ['4567890123456789', 84, 100])
  })

  it('show both ends of long output, and how to read the rest', async () => {
    const run = says(`${'a'.repeat(20_000)}${'z'.repeat(20_000)}`)('a')
    const { output, text } = await run('shell.background', { command: 'x' })
    assert.ok(Buffer.byteLength(text!) <= 16 * 1024)
    assert.match(text!, /^job-1-fake: ended/)
    const [, left, from] = /a\n\[… (\d+) bytes omitted: read them with shell\.session_read, from (\d+) …\]\nz/.exec(text!)!
    assert.deepEqual([Number(from), Number(from) + Number(left) + 9 * 1024, output.next], [5 * 1024, 40_000, 40_000])
    const short = await says('b'.repeat(14 * 1024))('a')('shell.background', { command: 'x' })
    assert.equal(short.output.text, 'b'.repeat(14 * 1024))
  })

  it('belong to one conversation; a person outside of any conversation has all', async () => {
    const of = says('')
    const { id } = (await of('a')('shell.session_open', {})).output
    for (const name of ['shell.session_read', 'shell.session_close', 'shell.session_signal', 'shell.session_write']) {
      await assert.rejects(of('b')(name, { id }), { code: 'not_found' })
    }
    assert.deepEqual((await of('b')('shell.session_list', {})).output.sessions, [])
    assert.match(
      (await of('', 'terminal')('shell.session_list', {})).text!,
      /^shell-1-fake: a shell, started in \/shared 0 s ago; waiting for input; exit code 0; 0 bytes of output$/,
    )
    const owner = (session: string, audience: string) => ownerOf({ caller: { session, audience } } as unknown as CallContext)
    assert.deepEqual([owner('', 'terminal'), owner('s', 'terminal'), owner('s', 'model')], ['', 's', 's'])
    assert.notEqual(owner('', 'model'), '')
    assert.notEqual(owner('', 'runtime'), '')
  })

  it('report which processes a signal reached', async () => {
    const run = says('')('a')
    const { id } = (await run('shell.session_open', {})).output
    const none = await run('shell.session_signal', { id })
    assert.deepEqual([none.text, none.ok], ['Nothing runs in its foreground: SIGINT was not sent.', false])
    const all = await run('shell.session_signal', { id, signal: 'SIGKILL', to: 'all' })
    assert.deepEqual([all.text, all.ok], ['Sent SIGKILL to 1 process of shell-1-fake.', true])
    const read = await run('shell.session_read', { id })
    assert.deepEqual([read.ok, read.output.signal, read.output.running], [false, 'SIGKILL', false])
  })

  it('refuse values beyond their limits', () => {
    const refused = (name: string, input: object) => assert.equal(calls.get(name)!.input.safeParse(input).success, false, name)
    refused('shell.session_open', { columns: 1 })
    refused('shell.session_open', { rows: 1_001 })
    refused('shell.session_write', { id: 'x', text: 'x'.repeat(16_001) })
    refused('shell.session_write', { id: 'x', keys: ['ctrl_alt_delete'] })
    refused('shell.session_read', { id: 'x', wait_s: 121 })
    refused('shell.session_read', { id: 'x', from: -1 })
    refused('shell.session_signal', { id: 'x', signal: 'SIGSEGV' })
  })
})

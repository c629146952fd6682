/** Terminals that send nonsense, or should not be there: each is told what is wrong, and nobody else is harmed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openReady, readyUrl } from '../support/ready.ts'
import { openSocket, openTerminal, type Refusal } from '../support/terminal.ts'
import { makeWorkspace, tokenOf } from '../support/workspace.ts'
import type { ErrorCode, Failure } from '../../src/base/index.ts'
import type { ServerFrame } from '../../src/protocol/index.ts'

const session = '01890a5d-ac96-774b-bcce-b302099a8057'
const payload = (fields: object): object => ({ request_id: 'mine', ...fields })

interface BadFrame {
  readonly what: string
  readonly data: string | Buffer
  readonly code: ErrorCode
  readonly hint: RegExp
}

const frame = (type: unknown, fields: object): string => JSON.stringify({ type, payload: payload(fields) })

const badFrames: readonly BadFrame[] = [
  { what: 'is not JSON', data: 'hello?', code: 'bad_input', hint: /"type".*"payload"/ },
  { what: 'is empty', data: '', code: 'bad_input', hint: /"type"/ },
  { what: 'is binary', data: Buffer.from([1, 2, 3]), code: 'bad_input', hint: /text frames/ },
  { what: 'is a list', data: '[]', code: 'bad_input', hint: /type/ },
  { what: 'is null', data: 'null', code: 'bad_input', hint: /type/ },
  { what: 'has an unknown type', data: frame('make_coffee', {}), code: 'bad_input', hint: /send_turn/ },
  { what: 'has no session', data: frame('send_turn', { text: 'hi' }), code: 'bad_input', hint: /session/ },
  { what: 'has a wrong session', data: frame('subscribe', { session: '../../etc', cursor: 0 }), code: 'bad_input', hint: /session/ },
  { what: 'names no session that is', data: frame('subscribe', { session, cursor: 0 }), code: 'not_found', hint: /oxbow sessions/ },
  { what: 'has a negative cursor', data: frame('subscribe', { session, cursor: -1 }), code: 'bad_input', hint: /cursor/ },
  {
    what: 'has an empty text',
    data: frame('send_turn', { session, client_id: session, text: '' }),
    code: 'bad_input',
    hint: /text/,
  },
  {
    what: 'decides on a call that does not wait',
    data: frame('approve', { call: 'x.0', allow: true }),
    code: 'not_found',
    hint: /decided/,
  },
  { what: 'says hello again', data: frame('hello', { protocol: 1, client: 'test' }), code: 'bad_input', hint: /once/ },
  {
    what: 'nests without end',
    data: `{"type":"call","payload":{"request_id":"mine","name":"file.read","input":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`,
    code: 'bad_input',
    hint: /Flatten/,
  },
]

const isError = (sent: ServerFrame): sent is Extract<ServerFrame, { type: 'error' }> => sent.type === 'error'

test('a terminal gets an error, and continues, when a frame', async (t) => {
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace })
  const url = await readyUrl(guest)
  for (const { what, data, code, hint } of badFrames) {
    await t.test(what, async () => {
      using terminal = await openTerminal(url, workspace)
      terminal.sendRaw(data)
      const { payload: told } = await terminal.frame(isError)
      assert.equal(told.code, code, JSON.stringify(told))
      assert.match(told.hint, hint)
      assert.equal((await terminal.ask('status', {})).type, 'result')
    })
  }
})

test('an oversized frame is refused with a reason and ends its connection, and no other', async () => {
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace })
  const url = await readyUrl(guest)
  using bystander = await openTerminal(url, workspace)
  const tooBig = 1009
  {
    using terminal = await openTerminal(url, workspace)
    terminal.sendRaw(frame('send_turn', { session, client_id: session, text: 'x'.repeat(5 * 1024 * 1024) }))
    const { payload: told } = await terminal.frame(isError)
    assert.equal(told.code, 'limit_reached')
    assert.match(told.hint, /file of the workspace/)
    assert.equal(await terminal.closed, tooBig)
  }
  {
    using terminal = await openTerminal(url, workspace)
    terminal.sendRaw('x'.repeat(64 * 1024 * 1024))
    assert.equal(await terminal.closed, tooBig, 'far too large a frame is not even read')
  }
  assert.equal((await bystander.ask('status', {})).type, 'result')
})

test('a message over 1 MiB is refused with a reason', async () => {
  using workspace = makeWorkspace()
  await using model = await startModel([{ events: [{ text: 'Fine.' }] }])
  await using guest = startGuest({ workspace, config: { model: model.config } })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  const text = 'x'.repeat(1024 * 1024 + 1)
  const told = await terminal.expect('error', 'send_turn', { session: conversation.session, client_id: session, text })
  assert.equal(told.code, 'bad_input')
  assert.match(`${told.message} ${told.hint}`, /text/)
  assert.equal((await conversation.say('Short.')).reply, 'Fine.')
})

test('an unknown call or an invalid input is reported in the outcome', async () => {
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace })
  using terminal = await openReady(guest, workspace)
  const failureOf = async (name: string, input: unknown): Promise<Failure> => {
    const { result } = await terminal.expect('result', 'call', { name, input })
    return (result as unknown as { failure: Failure }).failure
  }
  const unknown = await failureOf('file.raed', {})
  assert.equal(unknown.code, 'unknown_call')
  assert.match(unknown.hint, /file_read|file\.read/)
  const wrong = await failureOf('file.read', { path: 5 })
  assert.equal(wrong.code, 'bad_input')
  assert.match(wrong.message, /path/)
  assert.match(wrong.hint, /example/)
  const internal = await failureOf('model.generate', {})
  assert.ok(internal.code === 'denied' || internal.code === 'bad_input', JSON.stringify(internal))
})

test('a connection without the token is refused with the location of the token', async () => {
  using workspace = makeWorkspace()
  await using guest = startGuest({ workspace })
  const url = await readyUrl(guest)
  const token = tokenOf(workspace)
  for (const wrong of ['wrong', `${token}x`, token.slice(1)]) {
    const error: unknown = await openSocket(url, wrong).catch((caught: unknown) => caught)
    assert.ok(error instanceof Error && error.message === 'refused', String(error))
    const { status, body } = error.cause as Refusal
    const told = JSON.parse(body) as Failure
    assert.deepEqual([status, told.code], [401, 'unauthenticated'])
    assert.match(told.hint, /ipc\/token/)
  }
  const right = await openSocket(url, token)
  right.terminate()
})

test('a second guest on the same workspace is refused with the pid that holds it', async () => {
  using workspace = makeWorkspace()
  await using first = startGuest({ workspace })
  await readyUrl(first)
  await using second = startGuest({ workspace })
  const refused = await second.started
  assert.ok(refused.type === 'fatal', JSON.stringify(refused))
  assert.equal(refused.code, 'workspace_busy')
  assert.match(refused.message, new RegExp(`\\b${first.pid}\\b`))
  assert.match(refused.hint, /`oxbow stop`.*process \d+/)
  const workspaceBusyExit = 16
  assert.equal((await second.ended()).exitCode, workspaceBusyExit)
  // The first is unharmed, and the workspace is free when it is gone, also when it was killed.
  using terminal = await openReady(first, workspace)
  assert.equal((await terminal.ask('status', {})).type, 'result')
  await first.kill()
  await using third = startGuest({ workspace })
  await readyUrl(third)
})

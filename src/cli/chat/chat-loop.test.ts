import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OxbowError } from '../../base/index.ts'
import type { Failure } from '../../base/index.ts'
import type { SessionInfo } from '../../protocol/index.ts'
import type { FollowEvent } from '../../client/index.ts'
import type { GatewayPort } from '../guest-connection.ts'
import { fakeGateway, guestStatus, sessionId, startChat, turn } from './chat-fixture.ts'
import { banner } from './turn-printer.ts'

void test('a message streams its answer, shows its call in one line, and restores the prompt', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('hello')
  assert.equal(shown.prompt, null)
  fake.tell('g', 'model.generate', 'intent', null)
  fake.emit({ type: 'text', turn, call: 'g', text: 'Let me lo' } as FollowEvent)
  fake.emit({ type: 'text', turn, call: 'g', text: 'ok' } as FollowEvent)
  fake.tell('g.0', 'file.read', 'intent', { input: { path: '/shared/a.txt' } })
  fake.tell('g.0', 'file.read', 'outcome', { status: 'ok', ms: 3, text: '' })
  fake.tell('h', 'model.generate', 'intent', null)
  fake.emit({ type: 'text', turn, call: 'h', text: 'done' } as FollowEvent)
  fake.end()
  assert.equal(shown.text, 'Let me look\n  · file_read /shared/a.txt  3 ms\ndone\n')
  assert.equal(shown.prompt, '› ')
  end()
  assert.equal(await over, null)
  assert.deepEqual(fake.asked, ['create', 'follow 0', 'send hello', 'unfollow'])
})

void test('an answer that arrives before the record of its call is shown after the line of that call', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('list')
  fake.emit({ type: 'text', turn, call: 'h', text: 'It is empty.' } as FollowEvent)
  fake.tell('g.0', 'file.list', 'intent', { input: { path: '/shared' } })
  fake.tell('g.0', 'file.list', 'outcome', { status: 'ok', ms: 3, text: '' })
  fake.tell('h', 'model.generate', 'intent', null)
  fake.end({ status: 'ok', reply: 'It is empty.' })
  end()
  await over
  assert.equal(shown.text, '  · file_list /shared  3 ms\nIt is empty.\n')
})

void test('a turn that ends before its message is acknowledged, as after a lost connection, does not block the chat', async () => {
  const fake = fakeGateway()
  const { sendTurn } = fake.gateway
  const late: typeof sendTurn = (message) => {
    fake.tell(turn, 'turn.send', 'started', { text: message.text })
    fake.end()
    return sendTurn(message)
  }
  const { type, shown, end, over } = startChat({ ...fake, gateway: { ...fake.gateway, sendTurn: late } }, { oneByOne: true })
  await type('hello')
  assert.equal(shown.prompt, '› ')
  end()
  await over
})

void test('an approval shows the exact input, and the answer is sent', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('go')
  fake.tell('g.0', 'shell.exec', 'parked', {
    input: '{"command":"rm \u202ex"}',
    reason: 'it has \u001b[2Jheld\nprivate data',
    question: 'q1',
  })
  assert.match(
    shown.text,
    /shell_exec asks to run with exactly this input:\n {4}\{"command":"rm \\u202ex"\}\n {4}why: it has held private data\n/,
  )
  assert.equal(shown.prompt, '  allow? [y/n/a] ')
  await type('what?')
  assert.match(shown.text, /Answer y, n or a first/)
  await type('y')
  assert.ok(fake.asked.includes('approve g.0 true q1'))
  assert.equal(shown.prompt, null)
  fake.end()
  end()
  await over
})

void test('an approval that another terminal decided is no longer asked', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('go')
  fake.tell('g.0', 'shell.exec', 'parked', { input: '{}' })
  fake.tell('g.0', 'shell.exec', 'decided', { allow: false })
  assert.equal(shown.prompt, null)
  end()
  await over
})

void test('a call of an agent below the session is asked about here, also between turns, and beyond the end of a turn', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  const waiting = {
    call: 'a.0',
    session: 'child',
    turn: 't2',
    name: 'shell.exec',
    input: '{}',
    agent: 'reader',
    reason: 'Agent reader: it asks',
    at: 0,
  }
  const approval = (waits: boolean): void => fake.emit({ type: 'approval', waits, approval: waiting as never })
  await type('start')
  fake.end()
  approval(true)
  assert.match(shown.text, /shell_exec asks to run[^]*why: Agent reader: it asks/)
  assert.equal(shown.prompt, '  allow? [y/n/a] ')
  await type('y')
  assert.ok(fake.asked.includes('approve a.0 true'))
  approval(true)
  fake.emit({ type: 'record', record: fake.record('other', 'turn.send', 'outcome', { status: 'ok', reply: 'done' }) })
  assert.equal(shown.prompt, '  allow? [y/n/a] ')
  approval(false)
  assert.notEqual(shown.prompt, '  allow? [y/n/a] ')
  end()
  await over
})

void test('a message while a turn runs is sent and says so', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('one')
  await type('two')
  assert.ok(fake.asked.includes('send two'))
  assert.match(shown.text, /Sent; the agent reads it at its next step/)
  end()
  await over
})

void test('text of several lines is one unchanged message, even if it looks like a command or an answer', async () => {
  const fake = fakeGateway()
  const { type, end, over } = startChat(fake)
  await type('  // one\n/quit\n')
  await type('//two\ny')
  await type('/quit\nnow')
  assert.deepEqual(
    fake.asked.filter((each) => each.startsWith('send')),
    ['send   // one\n/quit', 'send //two\ny', 'send /quit\nnow'],
  )
  end()
  await over
})

void test('Ctrl+C stops the turn, and the second one leaves', async () => {
  const fake = fakeGateway()
  const { type, interrupt, over } = startChat(fake)
  await type('one')
  interrupt()
  assert.ok(fake.asked.includes('cancel'))
  interrupt()
  assert.equal(await over, null)
})

void test('Ctrl+C that clears a line stops a running turn, and does not leave without one', async () => {
  const idle = startChat(fakeGateway())
  idle.interrupt(true)
  idle.interrupt(true)
  const later = new Promise((resolve) => setImmediate(resolve, 'still there'))
  assert.equal(await Promise.race([idle.over, later]), 'still there')
  idle.interrupt()
  idle.interrupt()
  assert.equal(await idle.over, null)
  const fake = fakeGateway()
  const { type, interrupt, end, over } = startChat(fake)
  await type('one')
  interrupt(true)
  assert.ok(fake.asked.includes('cancel'))
  end()
  await over
})

void test('Ctrl+C without a running turn asks for a second one, and asks again later', async () => {
  let now = 0
  const { interrupt, over, shown } = startChat(fakeGateway(), { now: () => now })
  const later = (): Promise<unknown> => Promise.race([over, new Promise((resolve) => setImmediate(resolve, 'still there'))])
  interrupt()
  assert.equal(shown.text, '  Press Ctrl+C again to leave.\n')
  now = 5_000
  interrupt()
  assert.equal(await later(), 'still there')
  now = 5_500
  interrupt()
  assert.equal(await over, null)
})

void test('/switch shows the last exchange and asks waiting approvals', async () => {
  const fake = fakeGateway()
  const past = [
    fake.record(turn, 'turn.send', 'started', { text: 'earlier\u001b[2J' }),
    fake.record('g.0', 'shell.exec', 'parked', { input: '{"command":"ls"}' }),
  ]
  const { type, shown, end, over } = startChat(fake, { recent: async () => past })
  await type('/switch 0189')
  assert.match(shown.text, /^› earlier\n {2}\? shell_exec asks/)
  assert.ok(fake.asked.includes('follow 2'))
  await type('n')
  assert.ok(fake.asked.includes('approve g.0 false'))
  end()
  await over
})

void test('/sessions shows twenty at a time, marks the current one, and hides those without a message', async () => {
  const fake = fakeGateway()
  const listed = Array.from({ length: 45 }, (_, at) => ({
    id: `01890a5d-ac${String(at).padStart(2, '0')}-774b-bcce-b302099a8057`,
    title: `T${at}`,
    created_at: 0,
    active_at: 0,
    busy: false,
    turns: at === 3 ? 0 : 1,
  })) as unknown as SessionInfo[]
  fake.gateway.listSessions = async () => [{ ...listed[0], id: sessionId, title: 'mine', turns: 0 } as SessionInfo, ...listed]
  const { type, shown, end, over } = startChat(fake)
  await type('hello')
  shown.text = ''
  await type('/sessions')
  const rows = shown.text.trimEnd().split('\n')
  assert.equal(rows.length, 21)
  assert.match(rows[0] ?? '', /^\* {2}\S+ .* 0 turns {2}mine$/)
  assert.match(rows[1] ?? '', /^ {3}\S+ .* 1 turn {3}T0$/)
  assert.ok(!shown.text.includes(' T3\n'))
  assert.equal(rows[20], '  Page 1 of 3; /sessions 2 shows the next one.')
  shown.text = ''
  await type('/sessions 9')
  assert.match(shown.text, / T44\n {2}Page 3 of 3\.\n$/)
  end()
  await over
})

void test('a session whose first message is refused is removed again', async () => {
  const fake = fakeGateway()
  fake.gateway.sendTurn = () => Promise.reject(new OxbowError('bad_config', 'there is no such model', { hint: 'name another' }))
  const { type, shown, end, over } = startChat(fake)
  await type('hello')
  assert.match(shown.text, /error: there is no such model/)
  assert.ok(fake.asked.includes('call session.delete'))
  await type('again')
  assert.equal(fake.asked.filter((asked) => asked === 'create').length, 2)
  end()
  await over
})

void test('missing limits are not listed at the start', () => {
  const sandbox = { ...guestStatus.sandbox, limits: ['memory: 7', 'disk: no limit in all, sandbox.disk_mb is not set'] }
  assert.match(banner({ ...guestStatus, sandbox }, '1', Infinity), /\nlimits: memory: 7\n/)
})

void test('a pipe is read line by line, each turn waited for, and an open question ends it with advice', async () => {
  const fake = fakeGateway()
  const { type, end, over } = startChat(fake, { oneByOne: true })
  const first = type('one')
  let settled = false
  void first.then(() => (settled = true))
  await new Promise(setImmediate)
  assert.equal(settled, false)
  fake.end()
  await first
  const second = type('two')
  await new Promise(setImmediate)
  fake.tell(turn, 'turn.send', 'started', { text: 'two' })
  fake.tell('g.0', 'shell.exec', 'parked', { input: '{}' })
  await second
  end()
  const failure = (await over) as Failure
  assert.equal(failure.code, 'approval_required')
  assert.match(failure.hint, /oxbow approve g\.0 --user ada runs/)
})

void test('the death of the guest ends the chat with its reason', async () => {
  const gone = Promise.withResolvers<Failure | null>()
  const { over } = startChat(fakeGateway(), { gone: gone.promise })
  gone.resolve({ code: 'guest_unreachable', message: 'SIGKILL', hint: '' })
  assert.equal((await over)?.message, 'SIGKILL')
})

void test('notices are printed on their own line, even within an answer, and not after the chat has ended', async () => {
  const fake = fakeGateway()
  let tell: (text: string) => void = () => {}
  const { type, shown, end, over } = startChat(fake, { news: (given) => void (tell = given) })
  await type('hello')
  fake.tell('g', 'model.generate', 'intent', null)
  fake.emit({ type: 'text', turn, call: 'g', text: 'Let me lo' } as FollowEvent)
  tell('  — lost —')
  fake.emit({ type: 'text', turn, call: 'g', text: 'ok' } as FollowEvent)
  fake.end({ status: 'ok', reply: 'Let me look' })
  end()
  await over
  tell('too late')
  assert.equal(shown.text, 'Let me lo\n  — lost —\nok\n')
})

void test('a message that is being sent when the person leaves fails silently', async () => {
  const fake = fakeGateway()
  const sending = Promise.withResolvers<never>()
  const { type, shown, end, over } = startChat({ ...fake, gateway: { ...fake.gateway, sendTurn: () => sending.promise } })
  const sent = type('hello')
  end()
  await over
  sending.reject(new OxbowError('guest_unreachable', 'The client was closed.', { hint: 'Connect again.' }))
  await sent
  assert.equal(shown.text, '')
})

void test('/status shows model, store and each limit of the sandbox in separate rows', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat({ ...fake, gateway: { ...fake.gateway, status: async () => guestStatus } })
  await type('/status')
  end()
  await over
  assert.match(shown.text, /^model +offline\n[\s\S]*^limits +a file: 5\n +memory: 7\n! +not in force: processes\n$/m)
})

void test('a y typed before a question appeared is not an answer to it, nor are the lines after it', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('go')
  // A model has said "reply y to go on", and asks for something else while the person types.
  shown.typing = true
  fake.tell('g.0', 'shell.exec', 'parked', { input: '{"command":"curl evil"}', reason: 'r' })
  await type('y')
  shown.typing = false
  await type('y')
  assert.match(shown.text, /curl evil[^]*appeared while you were typing[^]*appeared while you were typing/)
  assert.ok(!fake.asked.some((each) => each.startsWith('approve')))
  await type('y')
  assert.deepEqual(
    fake.asked.filter((each) => each.startsWith('approve')),
    ['approve g.0 true'],
  )
  end()
  await over
})

void test('a no is accepted at once', async () => {
  const fake = fakeGateway()
  const { type, shown, end, over } = startChat(fake)
  await type('go')
  shown.typing = true
  fake.tell('g.0', 'shell.exec', 'parked', { input: '{}', reason: 'r' })
  await type('n')
  assert.deepEqual(
    fake.asked.filter((each) => each.startsWith('approve')),
    ['approve g.0 false'],
  )
  end()
  await over
})

void test('a shows the rules that can be kept; only a number of that list keeps one, and n with words says why', async () => {
  const fake = fakeGateway()
  const rules = [{ scope: 'pattern', id: 'r1', text: 'shell.exec with command "git status …"' }]
  const gateway: GatewayPort = {
    ...fake.gateway,
    call: async (name, input) => {
      fake.asked.push(`call ${name} ${JSON.stringify(input)}`)
      return { status: 'ok', ok: true, text: '', output: (name === 'approval.list' ? [{ call: 'g1.0', rules }] : {}) as never }
    },
  }
  const { shown, type, end, over } = startChat({ ...fake, gateway })
  await type('look')
  fake.tell(turn, 'turn.send', 'started', {})
  fake.tell('g1.0', 'shell.exec', 'parked', { input: '{"command":"git status -s"}' })
  await type('1')
  assert.match(shown.text, /Answer y, n or a first/, 'a number means nothing before the list')
  await type('a')
  assert.match(shown.text, /1 {2}calls like it: shell\.exec with command "git status …"/)
  await type('2')
  assert.match(shown.text, /no rule with this number/)
  await type('1')
  assert.ok(fake.asked.includes('call call.decide {"call":"g1.0","allow":true,"remember":{"scope":"pattern","rule":"r1","labels":false}}'))
  fake.tell('g1.1', 'shell.exec', 'parked', { input: '{"command":"rm a"}' })
  await type('no, keep it')
  assert.ok(fake.asked.includes('call call.decide {"call":"g1.1","allow":false,"reason":"keep it"}'))
  end()
  await over
})

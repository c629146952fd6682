/** Slash commands that the chat does not have itself: the person's, and mistyped ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OxbowError } from '../../base/index.ts'
import { fakeGateway, startChat } from './chat-fixture.ts'

void test('unknown commands and failures of the gateway are reported, and the chat continues', async () => {
  const fake = fakeGateway()
  fake.gateway.createSession = () => Promise.reject(new OxbowError('store_full', 'the disk is full', { hint: 'make room' }))
  const { call } = fake.gateway
  const failure = { code: 'not_found', message: 'none', hint: '' } as const
  fake.gateway.call = async (name, input) => (name === 'command.expand' ? { status: 'failed', failure, text: 'none' } : call(name, input))
  const { type, shown, end, over } = startChat(fake)
  await type('/nonsense')
  await type('hello')
  await type('/cost')
  assert.match(shown.text, /no command \/nonsense/)
  assert.match(shown.text, /error: the disk is full\nhint: make room/)
  assert.match(shown.text, /altogether: \$0.000042, 7 tokens/)
  end()
  await over
})

void test('a command of the person is sent as its text, and one that is not trusted is refused with the reason', async () => {
  const fake = fakeGateway()
  const sent: string[] = []
  const { sendTurn } = fake.gateway
  fake.gateway.sendTurn = (turnInput) => (sent.push(turnInput.text), sendTurn(turnInput))
  const failure = { code: 'denied', message: 'you do not trust it yet', hint: 'oxbow skills trust /deploy' } as const
  const made: unknown[] = []
  fake.gateway.call = async (_, input) => {
    made.push(input)
    const isTrusted = (input as unknown as { name: string }).name === 'review'
    return isTrusted ? { status: 'ok', ok: true, output: {} as never, text: 'Review a.ts.' } : { status: 'failed', failure, text: '' }
  }
  const { type, shown, end, over } = startChat(fake)
  await type('/review  a.ts "b c"')
  assert.deepEqual([made[0], sent], [{ name: 'review', arguments: 'a.ts "b c"' }, ['Review a.ts.']])
  await type('/deploy')
  assert.match(shown.text, /you do not trust it yet/)
  assert.equal(sent.length, 1)
  end()
  await over
})

void test('a session begins with its first message, whatever was chosen for it before', async () => {
  const fake = fakeGateway()
  const { type, end, over } = startChat(fake)
  await type('/agent reviewer')
  await type('/new Taxes')
  assert.deepEqual(fake.asked, ['call session.agent'])
  await type('hello')
  assert.deepEqual(fake.asked.slice(1, 3), ['create Taxes', 'call session.agent'])
  assert.ok(fake.asked.includes('send hello'))
  end()
  await over
})

void test('/continue without a session says what to do in a chat', async () => {
  const fake = fakeGateway()
  fake.gateway.listSessions = async () => []
  const { type, shown, end, over } = startChat(fake)
  await type('/continue')
  assert.match(shown.text, /no session to continue\nhint: Send a message to start one\./)
  end()
  await over
})

/** Budgets against models that do not keep to anything. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRecording } from '../../src/engine/replay/recording.ts'
import { bytesPerToken, minReservedTokens } from '../../src/services/models/limits.ts'
import { type AssistantMessage, textOf } from '../../src/protocol/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { chat, chatCallPiece, chatPiece, provider } from './answers.ts'
import { startEndpoint } from './plain-endpoint.ts'

test('an answer that ignores its limit is stopped when the token budget is used up, and its text stays', async () => {
  using workspace = makeWorkspace()
  const piece = 'words '.repeat(20)
  await using endless = await startEndpoint(() => ({ after: { repeat: chatPiece(piece) } }))
  // Over what the system prompt and the tools are taken for, which is some 10 000.
  const tokens = 40_000
  const config = {
    model: { name: 'mine/m', recording: 'raw' },
    providers: { mine: provider(endless, { maxOutputTokens: 500 }) },
    budget: { session: { tokens } },
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  const { status, failure, reply } = await conversation.say('Go on.')
  assert.deepEqual([status, failure?.code], ['failed', 'budget_exhausted'], JSON.stringify(failure))
  assert.match(failure?.hint ?? '', /budget\.session/)
  assert.ok(reply.includes(failure?.message ?? '-'), 'the person is told')

  const { body } = await terminal.record((record) => record.name === 'model.generate' && record.phase === 'outcome')
  const { spent, message } = body as unknown as { spent: { tokens: number }; message: AssistantMessage }
  const shown = terminal.frames.map((frame) => (frame.type === 'delta' ? frame.payload.text : '')).join('')
  assert.ok(shown.length > 1_000)
  assert.equal(textOf(message), shown, 'what was shown is what is kept of the conversation')
  // What is read of the network at once, in characters of the answer: nothing is known of it before it is read.
  const readAtOnce = (64 * 1024 * piece.length) / chatPiece(piece).length
  const bound = tokens + minReservedTokens + (2 * readAtOnce) / bytesPerToken
  assert.ok(spent.tokens <= bound, `${spent.tokens} of ${tokens} tokens, bound ${bound}`)
  assert.equal(endless.asked.length, 1)

  // Nothing is left of the budget: the next message is refused before anything is sent.
  const after = await conversation.say('More.')
  assert.deepEqual([after.failure?.code, endless.asked.length], ['budget_exhausted', 1])

  await guest.stop()
  const exchange = (await readLedger(workspace)).entries.find(({ name, phase }) => name === 'model.generate' && phase === 'exchange')?.body
  const [recorded] = readRecording(JSON.stringify(exchange), 'the journal')
  assert.ok(recorded?.response.includes('words words'), 'the bytes of an answer that was stopped are on record')
})

test('an endless tool call is stopped when the token budget is used up, although nothing of it is shown', async () => {
  using workspace = makeWorkspace()
  const piece = 'words '.repeat(20)
  await using endless = await startEndpoint(() => ({ after: { repeat: chatCallPiece('file_write', piece) } }))
  const tokens = 40_000
  const providers = { mine: provider(endless, { maxOutputTokens: 500 }) }
  await using guest = startGuest({ workspace, config: { model: { name: 'mine/m' }, providers, budget: { session: { tokens } } } })
  using terminal = await openReady(guest, workspace)
  const { failure } = await (await openConversation(terminal)).say('Go on.')
  assert.equal(failure?.code, 'budget_exhausted', JSON.stringify(failure))
  const { body } = await terminal.record((record) => record.name === 'model.generate' && record.phase === 'outcome')
  const { spent } = body as unknown as { spent: { tokens: number } }
  const bound = tokens + minReservedTokens + (2 * 64 * 1024) / bytesPerToken
  assert.ok(spent.tokens > tokens / 2 && spent.tokens <= bound, `${spent.tokens} of ${tokens} tokens, bound ${bound}`)
  assert.equal(endless.asked.length, 1)
})

test('under a money budget, a model without a price is not used, nor one whose fallback has none', async () => {
  for (const unpriced of ['first', 'second']) {
    using workspace = makeWorkspace()
    await using endpoint = await startEndpoint(() => chat({ text: 'Hello.' }))
    const priced = { inputPrice: 1, outputPrice: 1 }
    const providers = Object.fromEntries(['first', 'second'].map((id) => [id, provider(endpoint, id === unpriced ? {} : priced)]))
    const config = { model: { name: 'first/m', fallback: ['second/m'] }, providers, budget: { user: { micro_dollars: 1_000_000 } } }
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const { status, failure } = await (await openConversation(terminal)).say('Hello?')
    // Whether the service has the model may be asked: that is free.
    const generations = endpoint.asked.filter(({ path }) => !path.endsWith('/models'))
    assert.deepEqual([status, failure?.code, generations.length], ['limit', 'budget_exhausted', 0], unpriced)
    assert.match(failure?.message ?? '', /The price of \S*m is unknown/)
    assert.match(failure?.hint ?? '', /input_price/)
  }
})

test('a money budget that is used up refuses the next message before a request leaves', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startEndpoint(() => chat({ text: 'Hello.', usage: { input: 38_000, output: 100 } }))
  const providers = { mine: provider(endpoint, { inputPrice: 1, outputPrice: 1, maxOutputTokens: 200 }) }
  const config = { model: { name: 'mine/m' }, providers, budget: { user: { micro_dollars: 40_000 } } }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  assert.equal((await conversation.say('One.')).reply, 'Hello.')
  const { failure } = await conversation.say('Two.')
  assert.deepEqual([failure?.code, endpoint.asked.length], ['budget_exhausted', 1], JSON.stringify(failure))
})

test('a service that reports more than its window ends the turn, and the cap holds', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startEndpoint(() => chat({ text: 'Hello.', usage: { input: 1_200_000, output: 20_000 } }))
  const micro_dollars = 20_000
  const providers = { mine: provider(endpoint, { inputPrice: 1, outputPrice: 1 }) }
  const config = { model: { name: 'mine/m' }, providers, budget: { user: { micro_dollars } } }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const { status, failure, reply } = await (await openConversation(terminal)).say('Hello?')
  assert.deepEqual([status, failure?.code], ['failed', 'model_garbled'])
  assert.match(reply, /mine\/m reports 1200000 tokens of input and 20000 of output, but its window holds 50000/)
  const { body } = await terminal.record((record) => record.name === 'model.generate' && record.phase === 'outcome')
  const { spent } = body as unknown as { spent: { microDollars: number } }
  assert.ok(spent.microDollars <= micro_dollars, `${spent.microDollars} booked`)
})

test('a reservation is close to the cost of the previous request', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startEndpoint(() => chat({ text: 'Hello.', usage: { input: 118, output: 10 } }))
  const providers = { mine: provider(endpoint, { inputPrice: 1, outputPrice: 1, maxOutputTokens: 8_000 }) }
  const config = { model: { name: 'mine/m' }, providers, budget: { user: { micro_dollars: 12_000 } } }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  for (let turn = 0; turn < 3; turn += 1) assert.equal((await conversation.say('Hello?')).reply, 'Hello.')
  const reserved = terminal.frames.flatMap((frame) => {
    const record = frame.type === 'record' ? frame.payload.record : null
    if (record?.name !== 'model.generate' || record.phase !== 'intent') return []
    return [(record.body as unknown as { reserved: { microDollars: number } }).reserved.microDollars]
  })
  // 118 of input, what is new since, and the least that is reserved for an answer.
  assert.ok(reserved.length === 3 && reserved.slice(1).every((each) => each < 118 + 256 + 100), String(reserved))
})

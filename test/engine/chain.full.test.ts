/** A chain of models behind a real guest: who answers, what it costs, and what a terminal and the journal are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordView, ServerFrame } from '../../src/protocol/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { chat, chatPiece, provider } from './answers.ts'
import { startEndpoint } from './plain-endpoint.ts'
import { builtFile } from '../support/built.ts'

const impatientGuest = builtFile(new URL('../bad-input/impatient-guest.ts', import.meta.url))

type Restart = Extract<ServerFrame, { type: 'reply_restarted' }>

/** Outcomes of the generations of a session, in order. */
function generations(terminal: Terminal): readonly RecordView[] {
  return terminal.frames.flatMap((frame) =>
    frame.type === 'record' && frame.payload.record.name === 'model.generate' && frame.payload.record.phase === 'outcome'
      ? [frame.payload.record]
      : [],
  )
}

const restarts = (terminal: Terminal): readonly Restart['payload'][] =>
  terminal.frames.flatMap((frame) => (frame.type === 'reply_restarted' ? [frame.payload] : []))

test('when the chosen model is down, its fallback answers at its own price, and after five failures the first is skipped', async () => {
  using workspace = makeWorkspace()
  await using down = await startEndpoint(() => ({ status: 503, body: '{"error":{"message":"out of order"}}' }))
  await using up = await startEndpoint(() => chat({ text: 'Here I am.' }))
  const providers = {
    first: provider(down, { inputPrice: 100, outputPrice: 100 }),
    second: provider(up, { inputPrice: 1, outputPrice: 2 }),
  }
  const config = { model: { name: 'first/m', fallback: ['second/m'] }, providers }
  await using guest = startGuest({ workspace, entry: impatientGuest, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  const asked: number[] = []
  for (const text of ['One?', 'Two?', 'Three?']) {
    assert.deepEqual((await conversation.say(text)).reply, 'Here I am.')
    asked.push(down.asked.length)
  }
  assert.deepEqual(asked, [3, 5, 5])
  assert.equal(up.asked.length, 3)

  const bodies = generations(terminal).map(({ body }) => body as { spent: object })
  assert.deepEqual(
    bodies.map(({ spent }) => spent),
    Array.from({ length: 3 }, () => ({ microDollars: 10 + 20, tokens: 20 })),
  )
  assert.deepEqual(
    restarts(terminal).map(({ model }) => model),
    ['second/m', 'second/m', 'second/m'],
    'who answers is never hidden',
  )
  assert.match(restarts(terminal)[0]?.why ?? '', /out of order/)
})

test('an answer that breaks off after it was shown restarts, is marked as such, and is in the journal once', async () => {
  using workspace = makeWorkspace()
  await using first = await startEndpoint(() => ({ body: chatPiece('Half of it, and '), after: 'drop' }))
  await using second = await startEndpoint(() => chat({ text: 'The whole of it.' }))
  const providers = {
    first: provider(first, { inputPrice: 100, outputPrice: 100 }),
    second: provider(second, { inputPrice: 1, outputPrice: 2 }),
  }
  const config = { model: { name: 'first/m', fallback: ['second/m'] }, providers }
  await using guest = startGuest({ workspace, entry: impatientGuest, config })
  using terminal = await openReady(guest, workspace)
  const conversation = await openConversation(terminal)
  assert.equal((await conversation.say('Tell me.')).reply, 'The whole of it.')

  const [generation, ...more] = generations(terminal)
  assert.deepEqual(more, [])
  const body = generation?.body as { message: unknown; spent: { microDollars: number; tokens: number } }
  assert.deepEqual(body.message, { role: 'assistant', parts: [{ type: 'text', text: 'The whole of it.' }] })
  // Two tries of the first model were shown, at an estimate of its own; the second reports 10 and 10.
  assert.ok(body.spent.microDollars > 30 + 2 * 100, JSON.stringify(body.spent))
  assert.equal(restarts(terminal).at(-1)?.model, 'second/m')
  assert.equal(restarts(terminal).length, first.asked.length)
  assert.equal(first.asked.length, 2, 'a model that broke off after it was shown is asked only once more')

  // A screen that follows the frames ends up with the text of the journal.
  let screen = ''
  for (const frame of terminal.frames) {
    if (frame.type === 'reply_restarted') screen = ''
    if (frame.type !== 'delta') continue
    assert.equal(frame.payload.offset, screen.length, 'no delta is missing')
    screen += frame.payload.text
  }
  assert.equal(screen, 'The whole of it.')
})

test('when no model answers, the turn fails with the reasons of the chosen model and of its fallback', async () => {
  using workspace = makeWorkspace()
  await using first = await startEndpoint(() => ({ status: 401, body: '{"error":{"message":"wrong key"}}' }))
  await using second = await startEndpoint(() => ({ status: 404, body: '{"error":{"message":"no such model"}}' }))
  const providers = { first: provider(first), second: provider(second) }
  await using guest = startGuest({ workspace, config: { model: { name: 'first/m', fallback: ['second/m'] }, providers } })
  using terminal = await openReady(guest, workspace)
  const { status, failure } = await (await openConversation(terminal)).say('Hello?')
  assert.deepEqual([status, failure?.code, first.asked.length, second.asked.length], ['failed', 'model_auth', 1, 1])
  assert.match(failure?.message ?? '', /first\/m: .*wrong key.*Then second\/m: .*no such model/)
  assert.match(failure?.hint ?? '', /key/)
})

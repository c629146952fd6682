/** What a conversation carries to the next request: sealed reasoning over a restart, mended calls, and a shorter past. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { openReady } from '../support/ready.ts'
import { newId } from '../support/conversation.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { chat, claude, provider } from './answers.ts'
import { startEndpoint } from './plain-endpoint.ts'

test('sealed thinking is in the journal and sent back unchanged, also by a restarted guest', async () => {
  using workspace = makeWorkspace()
  const thought = { thinking: 'I must look at the clock.', signature: 'c2lnbmVk' }
  await using endpoint = await startEndpoint((_, place) =>
    place === 0
      ? claude({ blocks: [thought, { text: 'I look.' }, { id: 'toolu_1', name: 'time_now', input: '{}' }] })
      : claude({ blocks: [{ text: 'Noon.' }] }),
  )
  const config = { model: { name: 'mine/m' }, providers: { mine: provider(endpoint, { wire: 'anthropic' }) } }
  const sent = (place: number): unknown => {
    const { messages } = JSON.parse(endpoint.asked[place]?.body ?? '{}') as { messages: { role: string; content: { type: string }[] }[] }
    return messages.find(({ role }) => role === 'assistant')?.content.find(({ type }) => type === 'thinking')
  }
  const whole = { type: 'thinking', thinking: thought.thinking, signature: thought.signature }
  let session: string
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    session = conversation.session
    assert.equal((await conversation.say('What time is it?')).reply, 'Noon.')
    const { body } = await terminal.record((record) => record.name === 'model.generate' && record.phase === 'outcome')
    const [reasoning] = (body as unknown as { message: { parts: unknown[] } }).message.parts
    assert.deepEqual(reasoning, {
      type: 'reasoning',
      text: thought.thinking,
      sealed: { wire: 'anthropic', model: 'm', data: { signature: thought.signature } },
    })
    assert.deepEqual(sent(1), whole)
    await guest.stop()
  }
  await using guest = startGuest({ workspace, config })
  using terminal = await openReady(guest, workspace)
  await terminal.expect('snapshot', 'subscribe', { session, cursor: 0 })
  const turn = newId()
  await terminal.expect('ack', 'send_turn', { session, client_id: turn, text: 'And now?' })
  await terminal.record((record) => String(record.call) === turn && record.phase === 'outcome')
  assert.equal(endpoint.asked.length, 3)
  assert.deepEqual(sent(2), whole)
})

test('a repaired tool call runs, and the journal has the repair', async () => {
  using workspace = makeWorkspace()
  await using endpoint = await startEndpoint((_, place) =>
    place === 0 ? chat({ call: ['time.now', '```json\n{}\n```'] }) : chat({ text: 'Noon.' }),
  )
  await using guest = startGuest({ workspace, config: { model: { name: 'mine/m' }, providers: { mine: provider(endpoint) } } })
  using terminal = await openReady(guest, workspace)
  assert.equal((await (await openConversation(terminal)).say('What time is it?')).reply, 'Noon.')
  const outcome = (name: string): Promise<{ body: unknown }> =>
    terminal.record((record) => record.name === name && record.phase === 'outcome')
  const { repaired } = (await outcome('model.generate')).body as { repaired: Record<string, number> }
  assert.deepEqual(repaired, { code_fence: 1, tool_name: 1 })
  assert.equal(((await outcome('time.now')).body as { status: string }).status, 'ok')
})

test('a conversation that is too long for the endpoint is sent once more, shortened, and not a third time', async () => {
  for (const { refusals, reply } of [
    { refusals: 1, reply: 'Noon.' },
    { refusals: 9, reply: null },
  ]) {
    using workspace = makeWorkspace()
    const long = 'A long story. '.repeat(300)
    let left = 0
    await using endpoint = await startEndpoint(() => {
      left -= 1
      if (left >= 0) return { status: 400, body: '{"error":{"message":"maximum context length","code":"context_length_exceeded"}}' }
      return chat({ text: 'Noon.' })
    })
    await using guest = startGuest({ workspace, config: { model: { name: 'mine/m' }, providers: { mine: provider(endpoint) } } })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    for (let round = 0; round < 4; round += 1) await conversation.say(`${round} ${long}`)
    const before = endpoint.asked.length
    left = refusals
    const end = await conversation.say('What time is it?')
    // Between the two a summary of the rest is asked for, without tools.
    const sent = endpoint.asked.slice(before).filter(({ body }) => body.includes('"tools":'))
    const [first, second, ...more] = sent.map(({ body }) => body.length)
    assert.deepEqual(more, [])
    assert.ok(second !== undefined && first !== undefined && second < first * 0.8, `${second} of ${first}`)
    if (reply === null) assert.equal(end.failure?.code, 'context_overflow')
    else assert.deepEqual([end.status, end.reply], ['ok', reply], JSON.stringify(end))
  }
})

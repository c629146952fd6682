import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { addTelegram, eventually, startRig } from './rig.ts'

test('a paired owner writes, and the answer comes by edits of one placeholder', async () => {
  await using model = await startModel([{ events: [{ text: 'Good morning, Ada.' }] }])
  await using rig = await startRig({ model })
  const { fake, call } = rig
  const added = await addTelegram(rig)
  assert.deepEqual([added.state, added.account, added.why], ['up', '@oxbow_test_bot', ''])
  assert.ok(fake.counts().menu.includes('cancel'))

  // A stranger hears nothing.
  await fake.say({ from: 'eve', text: 'hello?' })
  const pairing = await call('channel.pair', { channel: 'telegram' })
  const token = new URL(pairing.link).searchParams.get('start')
  await fake.say({ from: 'ada', text: `/start ${token}` })
  const linked = await eventually(() => fake.standing().find(({ text }) => text.includes('linked as owner')), 'the notice')
  assert.equal(linked.chat, fake.idOf('ada'))

  await fake.say({ from: 'ada', text: 'good morning' })
  const reply = await eventually(() => fake.standing().find(({ text }) => text === 'Good morning, Ada.'), 'the answer')
  assert.equal(fake.seen(reply.id)[0], '…')
  assert.deepEqual(
    fake.standing().map(({ chat }) => chat),
    [linked.chat, linked.chat],
  )
})

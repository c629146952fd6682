/** Groups with a guest and a process of channels, over restarts of both. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { addTelegram, eventually, startRig } from './rig.ts'

test('an answer with private data waits for the owner over restarts, and reaches the group once', async () => {
  const steps = [
    { events: [{ tool_call: { name: 'file_list', arguments: { path: '/shared' } } }] },
    { events: [{ text: 'There is a letter.' }] },
  ]
  await using model = await startModel({
    turns: [
      { match: 'what is in the folder', steps },
      { match: 'hello', steps: [{ events: [{ text: 'Hi.' }] }] },
    ],
  })
  await using rig = await startRig({
    model,
    config: { approval: { mode: 'auto' }, flow: { source: [{ call: 'file.list', labels: ['private'] }] } },
  })
  const { fake } = rig
  await addTelegram(rig)
  await rig.link('ada', 'owner')
  await fake.say({ from: 'ada', text: 'hello' })
  const standing = (text: string | RegExp) =>
    eventually(
      () => fake.standing().find((each) => (typeof text === 'string' ? each.text === text : text.test(each.text))),
      () => `${text}; there is ${JSON.stringify(fake.standing())}; ${rig.logs()}`,
    )
  await standing('Hi.')
  await fake.say({ from: 'ada', text: 'what is in the folder', group: true, mention: true })
  const waits = await standing(/waits for the owner/)
  const asked = await standing(/channel\.answer/)
  rig.killChannels()
  await rig.killGuest()
  const chat = { space: '', chat: fake.idOf('ada'), thread: '' }
  // The call waits again when the guest has come so far.
  let said = ''
  for (let tries = 0; tries < 60 && !said.startsWith('Allowed'); tries += 1)
    said = await fake.press!(chat, asked.id, asked.buttons[0]![0]!.data, 'ada')
  assert.equal(said, 'Allowed once.')
  const shown = await standing('There is a letter.')
  assert.equal(shown.id, waits.id)
  assert.equal(fake.standing().filter(({ text }) => text === 'There is a letter.').length, 1)
})

/** SIGKILL of the process of channels, of the guest, or of both, at random points, while every update is delivered twice: the platform counts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startModel } from '../support/model.ts'
import { isLongSeries, scaled, seed } from '../support/scale.ts'
import { addTelegram, eventually, startRig } from './rig.ts'

const kills = isLongSeries ? 500 : scaled(12, 4)
function chance(): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

test(
  `every message is one turn and every content stands once, whatever is killed (${kills} kills, seed ${seed})`,
  { timeout: 600_000 },
  async () => {
    await using model = await startModel({
      turns: [{ steps: [{ events: [{ text: 'You said: ' }, { delay_ms: 300 }, { text: '{{last}}' }, { delay_ms: 300 }, { text: '.' }] }] }],
    })
    await using rig = await startRig({ model })
    const { fake } = rig
    const random = chance()
    await addTelegram(rig)
    const people = ['ada', 'bea', 'cy']
    for (const name of people) await rig.link(name, 'owner')
    fake.repeatUpdates()
    const said: string[] = []
    const say = async (): Promise<void> => {
      const text = `message-${said.length}-x`
      said.push(text)
      await fake.say({ from: people[said.length % people.length]!, text })
    }
    for (let count = 0; count < kills; count += 1) {
      await say()
      await sleep(random() * 3_000)
      await say()
      const which = random()
      if (which < 0.7) rig.killChannels()
      if (which > 0.4) await rig.killGuest()
    }
    await say()
    const answers = (text: string) => fake.standing().filter((each) => each.text === `You said: ${text}.`)
    await eventually(
      () => said.every((text) => answers(text).length > 0),
      () =>
        `answers of ${said.filter((text) => answers(text).length === 0).join(', ')}; there is ${JSON.stringify(fake.standing().map(({ text, edits }) => [text, edits]))}; logs: ${rig.logs()}`,
    )
    assert.deepEqual(
      said.map((text) => answers(text).length),
      said.map(() => 1),
    )
    // A kill between a placeholder and its record leaves one, and no content.
    const empty = fake.standing().filter(({ text }) => text === '…').length
    assert.equal(fake.standing().length, said.length + empty)
    assert.ok(empty <= kills * people.length, `${empty} empty placeholders`)
    const sessions = await rig.call('session.list', {})
    assert.equal(
      sessions.reduce((sum, { turns }) => sum + turns, 0),
      said.length,
    )
  },
)

/** SIGKILL of the process of channels, of the guest, or of both, at random points, while every update is delivered twice: the platform counts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startModel } from '../support/model.ts'
import { isLongSeries, scaled, seed } from '../support/scale.ts'
import { kinds } from './platforms.ts'
import { addChannel, eventually, startRigOn } from './rig.ts'

const given = Number(process.env['OXBOW_CHANNEL_KILLS'] ?? '')
const kills = given > 0 ? given : isLongSeries ? 500 : scaled(12, 4)
/**
 * Few enough messages of each that no rate ends them, and that none finds 20 waiting in its chat, however slow the machine: two with each kill. And few
 * enough people that their histories are read in a minute after each start, at the pace that Slack allows.
 */
const people = Array.from(
  { length: Math.min(40, Math.max(3, Math.ceil(kills / 5))) },
  (_, index) => `person${String.fromCharCode(97 + (index % 26))}${index}`,
)
const longestMs = 600_000 + kills * 20_000
/** Messages that are not answered yet. */
const maxOpen = 40

function chance(): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

for (const kind of kinds)
  test(
    `on ${kind} every message is one turn and every content stands once, whatever is killed (${kills} kills, seed ${seed})`,
    { timeout: longestMs },
    async () => {
      await using model = await startModel({
        turns: [
          { steps: [{ events: [{ text: 'You said: ' }, { delay_ms: 300 }, { text: '{{last}}' }, { delay_ms: 300 }, { text: '.' }] }] },
        ],
      })
      await using rig = await startRigOn(kind, { model })
      const { fake } = rig
      const random = chance()
      await addChannel(rig)
      for (const name of people) await rig.link(name, 'owner')
      fake.repeatUpdates()
      const said: string[] = []
      const say = async (): Promise<void> => {
        const text = `message-${said.length}-x`
        said.push(text)
        await fake.say({ from: people[said.length % people.length]!, text })
      }
      /** How often each text stands: read once a look, else a long series is busy with counting. */
      const counts = (): ReadonlyMap<string, number> => {
        const stands = new Map<string, number>()
        for (const { text } of fake.standing()) stands.set(text, (stands.get(text) ?? 0) + 1)
        return stands
      }
      const answersTo = (stands: ReadonlyMap<string, number>, text: string): number => stands.get(`You said: ${text}.`) ?? 0
      const missing = (): readonly string[] => {
        const stands = counts()
        return said.filter((text) => answersTo(stands, text) === 0)
      }
      for (let count = 0; count < kills; count += 1) {
        // Kills that come faster than a machine starts anything only pile up messages: then they wait for the work.
        while (missing().length > maxOpen) await sleep(50)
        await say()
        await sleep(random() * 3_000)
        await say()
        const which = random()
        if (which < 0.7) rig.killChannels()
        if (which > 0.4) await rig.killGuest()
      }
      await say()
      let left = said.length
      // As long as answers come, patience begins anew.
      while (missing().length > 0) {
        await eventually(
          () => missing().length < left || missing().length === 0,
          () =>
            `answers of ${missing().join(', ')}; there is ${JSON.stringify(fake.standing().map(({ text, edits }) => [text, edits]))}; logs: ${rig.logs()}`,
        )
        left = missing().length
      }
      const stands = counts()
      assert.deepEqual(
        said.map((text) => answersTo(stands, text)),
        said.map(() => 1),
      )
      const empty = fake.standing().filter(({ text }) => text === '…').length
      assert.equal(fake.standing().length, said.length + empty)
      // Where the platform can be asked, a placeholder is found again. Telegram cannot: a kill between one and its record leaves it, empty.
      assert.ok(kind === 'telegram' ? empty <= kills * 3 : empty === 0, `${empty} empty placeholders`)
      const sessions = await rig.call('session.list', { limit: 1_000 })
      assert.equal(
        sessions.reduce((sum, { turns }) => sum + turns, 0),
        said.length,
      )
    },
  )

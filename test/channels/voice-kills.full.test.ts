/** SIGKILL of the process of channels, of the guest, or of both, while voice messages are heard and answers are spoken. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startModel } from '../support/model.ts'
import { isLongSeries, scaled, seed } from '../support/scale.ts'
import { oggOf } from './fakes/audio.ts'
import { startSpeechService } from './fakes/speech-service.ts'
import { addChannel, eventually, startRigOn } from './rig.ts'

const kills = isLongSeries ? 100 : scaled(8, 3)

function chance(): () => number {
  let state = seed
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
}

for (const kind of ['telegram', 'slack'] as const)
  test(
    `on ${kind} every voice message is one turn, shown and spoken once (${kills} kills, seed ${seed})`,
    { timeout: 300_000 + kills * 20_000 },
    async () => {
      await using service = await startSpeechService()
      service.hears((bytes) => `words ${bytes}`)
      await using model = await startModel({ turns: [{ steps: [{ events: [{ text: 'Answer to {{last}}.' }] }] }] })
      const config = {
        providers: { ear: { base_url: service.baseUrl } },
        voice: { transcribe: 'ear/hear-1', speak: 'ear/speak-1' },
      }
      await using rig = await startRigOn(kind, { model, config })
      const { fake } = rig
      const random = chance()
      await addChannel(rig)
      await rig.link('ada', 'owner')
      await rig.link('bea', 'owner')
      fake.repeatUpdates()
      const said: number[] = []
      const say = async (): Promise<void> => {
        const bytes = oggOf(said.length + 1)
        said.push(bytes.length)
        await fake.say({ from: said.length % 2 === 0 ? 'ada' : 'bea', text: '', files: [{ name: 'voice.oga', bytes, recorded: true }] })
      }
      for (let count = 0; count < kills; count += 1) {
        await say()
        await sleep(random() * 2_500)
        const which = random()
        if (which < 0.6) rig.killChannels()
        if (which > 0.3) await rig.killGuest()
      }
      await say()
      const count = (text: string): number => fake.standing().filter((each) => each.text === text).length
      const lost = (): number => fake.standing().filter(({ buttons }) => buttons.length > 0).length
      const files = (): number => fake.standing().reduce((sum, each) => sum + each.files.length, 0)
      const isDone = (): boolean => said.every((bytes) => count(`Answer to words ${bytes}.`) === 1) && files() + lost() >= said.length
      for (let before = -1; !isDone() && fake.standing().length !== before;) {
        before = fake.standing().length
        await eventually(
          () => isDone() || fake.standing().length > before,
          () => `all answers; there is ${JSON.stringify(fake.standing())}; logs: ${rig.logs()}`,
        )
      }
      for (const bytes of said) {
        assert.equal(count(`Answer to words ${bytes}.`), 1)
        assert.ok(count(`You said: words ${bytes}`) <= 1)
        // A kill while the service is asked leaves it unknown what it has heard.
        const asked = service.heard.filter((each) => each.bytes === bytes).length
        assert.ok(asked >= 1 && asked <= 2, `heard ${asked} times`)
      }
      assert.ok(service.heard.length <= said.length + kills)
      // Where a platform cannot be asked whether a file has arrived, a note stands for it.
      assert.ok(files() <= said.length && (kind === 'telegram' || files() === said.length), JSON.stringify(fake.standing()))
      const sessions = await rig.call('session.list', { limit: 1_000 })
      assert.equal(
        sessions.reduce((sum, { turns }) => sum + turns, 0),
        said.length,
      )
    },
  )

test('a guest that is stopped while a voice message is heard goes on with it', { timeout: 120_000 }, async () => {
  await using service = await startSpeechService()
  await using model = await startModel({ turns: [{ steps: [{ events: [{ text: 'Answer to {{last}}.' }] }] }] })
  const config = { providers: { ear: { base_url: service.baseUrl } }, voice: { transcribe: 'ear/hear-1', speak: 'ear/speak-1' } }
  await using rig = await startRigOn('telegram', { model, config })
  await addChannel(rig)
  await rig.link('ada', 'owner')
  service.answers('silent')
  await rig.fake.say({ from: 'ada', text: '', files: [{ name: 'voice.oga', bytes: oggOf(2), recorded: true }] })
  await eventually(() => service.heard.length === 1, 'the request')
  service.answers('well')
  await rig.restart()
  const files = () => rig.fake.standing().flatMap((each) => each.files)
  await eventually(
    () => files().length === 1,
    () => `the spoken answer; there is ${JSON.stringify(rig.fake.standing())}; logs: ${rig.logs()}`,
  )
  const texts = rig.fake.standing().map(({ text }) => text)
  assert.ok(texts.includes('You said: what time is it') && texts.includes('Answer to what time is it.'), JSON.stringify(texts))
  assert.ok(
    texts.every((text) => !text.includes('could not')),
    JSON.stringify(texts),
  )
})

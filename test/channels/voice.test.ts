/** Voice messages, from Telegram to a service that hears and speaks, and back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock, systemRandom } from '../../src/base/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { GenerateRequest } from '../../src/protocol/index.ts'
import { says } from '../../src/kernel/kernel-fixture.ts'
import { oggOf } from './fakes/audio.ts'
import { type SpeechService, startSpeechService } from './fakes/speech-service.ts'
import { type NearRig, startNearRig } from './near-rig.ts'
import { addTelegram, eventually } from './rig.ts'

interface VoiceRig extends AsyncDisposable {
  readonly rig: NearRig
  readonly service: SpeechService
  /** What models were asked, the newest last. */
  readonly asked: readonly string[]
}

async function startVoiceRig(voice: object = {}, more: object = {}): Promise<VoiceRig> {
  await using made = new AsyncDisposableStack()
  const service = made.use(await startSpeechService())
  const provider = { base_url: service.baseUrl, api_key_env: 'EAR_KEY' }
  const config = {
    model: { provider: 'offline' },
    providers: { ear: provider },
    reliability: { max_attempts: 1 },
    voice: { transcribe: 'ear/hear-1', speak: 'ear/speak-1', ...voice },
    ...more,
  }
  const options = { config: parseConfig(config, 'the test'), env: { EAR_KEY: 'sk-of-the-ear' }, clock: systemClock, random: systemRandom }
  const engine = made.adopt(await openEngine(options), (each) => each.close())
  const asked: string[] = []
  const play = ({ messages }: GenerateRequest) => {
    asked.push((messages.at(-1)?.parts ?? []).map((part) => ('text' in part ? part.text : '')).join(''))
    return says('It is **noon**.')
  }
  const rig = made.use(await startNearRig({ config, play, voice: engine.voice!.bind(engine) }))
  await addTelegram(rig)
  await rig.link('ada', 'owner')
  const moved = made.move()
  return { rig, service, asked, [Symbol.asyncDispose]: () => moved[Symbol.asyncDispose]() }
}

const voiceNote = (seconds = 3) => ({ name: 'voice.oga', bytes: oggOf(seconds), recorded: true })
const texts = ({ fake }: NearRig): readonly string[] => fake.standing().map(({ text }) => text)
const voices = ({ fake }: NearRig) => fake.standing().filter(({ files }) => files.some(({ isVoice }) => isVoice === true))

test('a voice message is heard, shown and answered, in text and in speech, once, though each update comes twice', async () => {
  await using all = await startVoiceRig()
  const { rig, service, asked } = all
  rig.fake.repeatUpdates()
  await rig.fake.say({ from: 'ada', text: '', files: [voiceNote()] })
  await eventually(
    () => voices(rig).length === 1,
    () => `the spoken answer: ${JSON.stringify([rig.fake.standing(), rig.logs])}`,
  )
  await rig.fake.confirmed()
  assert.deepEqual(asked, ['what time is it'])
  assert.ok(texts(rig).includes('You said: what time is it'), JSON.stringify(texts(rig)))
  assert.equal(texts(rig).filter((text) => text === 'It is noon.').length, 1)
  assert.deepEqual(service.spoken, ['It is noon.'])
  assert.equal(service.heard.length, 1)
  const [{ name, key }] = service.heard as [SpeechService['heard'][number]]
  assert.deepEqual([name, key], ['audio.ogg', 'Bearer sk-of-the-ear'])
})

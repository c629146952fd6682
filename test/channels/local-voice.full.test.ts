/** Programs of the person that hear and speak, in a real sandbox: espeak-ng speaks ten commands, and pocketsphinx understands them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { isOxbowError } from '../../src/base/index.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import { audioFacts } from '../../src/services/voice/audio-length.ts'
import { localVoice } from '../../src/services/voice/local-voice.ts'
import { says } from '../../src/kernel/kernel-fixture.ts'
import type { GenerateRequest } from '../../src/protocol/index.ts'
import { withoutProgram } from '../support/needed-program.ts'
import { oggOf } from './fakes/audio.ts'
import { startNearRig } from './near-rig.ts'
import { addTelegram, eventually } from './rig.ts'

const commands = [
  'open the window',
  'close the door',
  'turn on the light',
  'weather for tomorrow',
  'play some music',
  'call my mother',
  'read the news',
  'start the timer',
  'stop the engine',
  'show the calendar',
]

const never = new AbortController().signal
const skip =
  withoutProgram('espeak-ng') || withoutProgram('pocketsphinx_continuous', 'pocketsphinx pocketsphinx-en-us') || withoutProgram('ffmpeg')
if (skip !== false) console.log(`skipped: ${skip}`)

describe('programs of the person hear and speak in the sandbox', { skip }, () => {
  let bench: Workbench
  let folder: string
  const hearing = ['pocketsphinx_continuous', '-infile', '{audio}', '-jsgf', '/opt/server/commands.gram', '-logfn', '/dev/null']
  const speaking = ['espeak-ng', '-v', 'en-us', '-s', '130', '-f', '{text}', '-w', '{audio}']
  before(async () => {
    bench = await makeWorkbench({ limits: { memory_mb: 768, max_file_mb: 512 } })
    folder = join(mkdtempSync(join(tmpdir(), 'oxbow-voice-')), 'grammar')
    mkdirSync(folder)
    writeFileSync(join(folder, 'commands.gram'), `#JSGF V1.0;\ngrammar commands;\npublic <command> = ${commands.join(' | ')};\n`)
  })
  after(async () => {
    await bench?.[Symbol.asyncDispose]()
    rmSync(join(folder, '..'), { recursive: true, force: true })
  })
  const engine = (more: object = {}) => localVoice(bench.sandbox, { transcribe: hearing, speak: speaking, folder, ...more }, {})

  it('understands ten commands', { timeout: 300_000 }, async () => {
    const wrong: string[] = []
    for (const command of commands) {
      const audio = await engine().speak(command, { format: 'ogg' }, never)
      assert.equal(audioFacts(audio)?.mime, 'audio/ogg')
      const { text } = await engine().transcribe(audio, { mime: 'audio/ogg' }, never)
      if (text !== command) wrong.push(`${command}: ${text}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('measures audio as ffmpeg does, in each format', async () => {
    const wav = join(folder, 'one.wav')
    execFileSync('espeak-ng', ['-w', wav, 'a sentence of some length that somebody has said'])
    const facts = (path: string) => audioFacts(readFileSync(path))!
    const { seconds } = facts(wav)
    for (const [ending, mime, codec] of [
      ['ogg', 'audio/ogg', 'libopus'],
      ['mp3', 'audio/mpeg', 'libmp3lame'],
      ['m4a', 'audio/mp4', 'aac'],
      ['flac', 'audio/flac', 'flac'],
    ] as const) {
      const path = join(folder, `one.${ending}`)
      execFileSync('ffmpeg', ['-loglevel', 'error', '-i', wav, '-c:a', codec, path])
      assert.equal(facts(path).mime, mime)
      assert.ok(Math.abs(facts(path).seconds - seconds) < 0.2, `${ending}: ${facts(path).seconds} is not ${seconds}`)
    }
  })

  it('says what is wrong with audio, and with programs', async () => {
    const codeOf = async (work: Promise<unknown>): Promise<readonly [string, string]> => {
      const error: unknown = await work.then(
        () => null,
        (reason: unknown) => reason,
      )
      assert.ok(isOxbowError(error), String(error))
      return [error.code, error.message]
    }
    const damaged = Buffer.from(oggOf(3)).fill(0xff, 60)
    assert.equal((await codeOf(engine().transcribe(damaged, { mime: 'audio/ogg' }, never)))[0], 'bad_input')
    const absent = await codeOf(engine({ speak: ['no-such-program'] }).speak('hello', { format: 'ogg' }, never))
    assert.deepEqual(absent, ['bad_config', 'no-such-program is not in the sandbox.'])
    const failing = await codeOf(engine({ speak: ['sh', '-c', 'echo no voice >&2; exit 3'] }).speak('hello', { format: 'ogg' }, never))
    assert.deepEqual(failing, ['tool_failed', 'sh failed with 3: no voice.'])
    assert.equal((await codeOf(engine({ speak: [] }).speak('hello', { format: 'ogg' }, never)))[0], 'bad_config')
    const ending = new AbortController()
    const hanging = engine({ speak: ['sleep', '1000'] }).speak('hello', { format: 'ogg' }, ending.signal)
    setTimeout(() => ending.abort(new Error('enough')), 300)
    await assert.rejects(hanging, /enough/)
  })

  it('reaches no network and no file of the workspace', async () => {
    writeFileSync(join(bench.root, 'shared/secret.txt'), 'secret')
    const program = ['sh', '-c', 'cat /shared/secret.txt; ls /shared /vault; cat < /dev/tcp/127.0.0.1/80; ls /opt/server; true']
    const wav = await engine().speak('hello', { format: 'wav' }, never)
    assert.equal((await engine({ transcribe: program }).transcribe(wav, { mime: 'audio/wav' }, never)).text.includes('secret'), false)
  })

  it('answers a voice message of Telegram, from end to end', { timeout: 120_000 }, async () => {
    const asked: string[] = []
    const play = ({ messages }: GenerateRequest) => {
      asked.push((messages.at(-1)?.parts ?? []).map((part) => ('text' in part ? part.text : '')).join(''))
      return says('The light is on.')
    }
    const config = { voice: { transcribe: 'local', speak: 'local', local: { transcribe: hearing, speak: speaking, folder } } }
    const sandbox = { ...bench.sandbox, close: async () => {} }
    await using rig = await startNearRig({ config, play, sandbox })
    await addTelegram(rig)
    await rig.link('ada', 'owner')
    const bytes = await engine().speak('turn on the light', { format: 'ogg' }, never)
    await rig.fake.say({ from: 'ada', text: '', files: [{ name: 'voice.oga', bytes, recorded: true }] })
    const spoken = await eventually(
      () => rig.fake.standing().find(({ files }) => files[0]?.isVoice === true),
      () => `the spoken answer: ${JSON.stringify([rig.fake.standing(), rig.logs])}`,
    )
    assert.ok(spoken.files[0]!.bytes > 1_000)
    assert.deepEqual(asked, ['turn on the light'])
    assert.ok(rig.fake.standing().some(({ text }) => text === 'You said: turn on the light'))
  })
})

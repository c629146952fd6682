import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { isOxbowError, systemClock, systemRandom } from '../../base/index.ts'
import type { ModelVoice } from '../../protocol/index.ts'
import { modelLimits } from '../limits.ts'
import { createServiceVoices } from './service-voice.ts'

type Answer = (response: ServerResponse, body: Buffer, request: IncomingMessage) => void

const never = new AbortController().signal
const audio = Buffer.from('OggS and so on')

/** A model at a service that answers so, one after another; the last answer stays. */
async function against(
  ...answers: readonly Answer[]
): Promise<AsyncDisposable & { readonly voice: ModelVoice; readonly asked: readonly Buffer[] }> {
  const asked: Buffer[] = []
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => void pieces.push(piece))
    request.on('end', () => {
      asked.push(Buffer.concat(pieces))
      const answer = answers[Math.min(asked.length, answers.length) - 1]!
      answer(response, asked.at(-1)!, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const voices = createServiceVoices({
    id: 'ear',
    baseUrl: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`),
    key: 'sk-secret-of-the-ear',
    headers: {},
    official: false,
    clock: systemClock,
    random: systemRandom,
    limits: { ...modelLimits, backoffBaseMs: 1, firstByteMs: 300, betweenBytesMs: 300 },
  })
  return {
    voice: voices.model('hear-1'),
    asked,
    async [Symbol.asyncDispose]() {
      voices.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const json =
  (value: unknown, status = 200): Answer =>
  (response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))

async function failureOf(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(isOxbowError(error), String(error))
  return { code: error.code, billed: error.data['billed'] === true, message: error.message }
}

describe('models of a service that hear and speak', () => {
  it('sends a form that any reader of forms understands', async () => {
    let form: FormData | null = null
    await using service = await against(async (response, body, request) => {
      const type = request.headers['content-type'] ?? ''
      form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
      json({ text: ' hello ', usage: { type: 'duration', seconds: 3 } })(response, body, request)
    })
    const heard = await service.voice.transcribe(audio, { mime: 'audio/ogg', language: 'en' }, never)
    assert.deepEqual(heard, { text: ' hello ', seconds: 3 })
    const sent = form as unknown as FormData
    assert.deepEqual([sent.get('model'), sent.get('language'), sent.get('response_format')], ['hear-1', 'en', 'json'])
    const file = sent.get('file') as File
    assert.deepEqual([file.name, file.type, Buffer.from(await file.arrayBuffer())], ['audio.ogg', 'audio/ogg', audio])
  })

  it('tries again what may succeed, and gives up what cannot', async () => {
    await using busy = await against(json({ error: { message: 'busy' } }, 503), json({ text: 'hello' }))
    assert.equal((await busy.voice.transcribe(audio, { mime: 'audio/ogg' }, never)).text, 'hello')
    await using wrong = await against(json({ error: { message: 'bad key sk-secret-of-the-ear' } }, 401))
    const failure = await failureOf(wrong.voice.speak('hello', { format: 'ogg' }, never))
    assert.equal(failure.code, 'model_auth')
    assert.doesNotMatch(failure.message, /secret/)
    assert.equal(wrong.asked.length, 1)
  })

  it('takes nothing but text for what was heard, and bytes for what was spoken', async () => {
    for (const value of [{}, { text: 7 }, { text: null }]) {
      await using service = await against(json(value))
      assert.deepEqual((await failureOf(service.voice.transcribe(audio, { mime: 'audio/ogg' }, never))).code, 'model_garbled')
    }
    await using empty = await against((response) => void response.writeHead(200, { 'content-type': 'audio/ogg' }).end())
    assert.equal((await failureOf(empty.voice.speak('hello', { format: 'ogg' }, never))).code, 'model_garbled')
    await using wrapped = await against(json({ error: 'out of order' }))
    assert.equal((await failureOf(wrapped.voice.speak('hello', { format: 'ogg' }, never))).code, 'model_garbled')
    await using page = await against((response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello'))
    assert.equal((await failureOf(page.voice.speak('hello', { format: 'ogg' }, never))).code, 'model_garbled')
  })

  it('speaks byte for byte, and stops where audio does not end', async () => {
    const spoken = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256))
    await using good = await against((response) => void response.writeHead(200, { 'content-type': 'audio/ogg' }).end(spoken))
    assert.deepEqual(Buffer.from(await good.voice.speak('hello', { format: 'ogg', voice: 'nova' }, never)), spoken)
    assert.deepEqual(JSON.parse(good.asked[0]!.toString()), { model: 'hear-1', input: 'hello', voice: 'nova', response_format: 'opus' })
    await using endless = await against((response) => {
      response.writeHead(200, { 'content-type': 'audio/ogg' })
      const piece = Buffer.alloc(1024 * 1024, 1)
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
        if (!response.destroyed) response.once('drain', write)
      }
      write()
    })
    const failure = await failureOf(endless.voice.speak('hello', { format: 'ogg' }, never))
    assert.deepEqual([failure.code, failure.billed], ['model_garbled', true])
  })

  it('gives up a service that is silent, before it answers and within its answer', async () => {
    await using silent = await against(() => {})
    assert.equal((await failureOf(silent.voice.transcribe(audio, { mime: 'audio/ogg' }, never))).code, 'model_stalled')
    await using stuck = await against((response) => void response.writeHead(200, { 'content-type': 'audio/ogg' }).write('OggS'))
    const failure = await failureOf(stuck.voice.speak('hello', { format: 'ogg' }, never))
    assert.deepEqual([failure.code, failure.billed], ['model_stalled', true])
  })

  it('ends with its signal', async () => {
    await using silent = await against(() => {})
    const ending = new AbortController()
    setTimeout(() => ending.abort(), 50)
    assert.equal((await failureOf(silent.voice.speak('hello', { format: 'ogg' }, ending.signal))).code, 'cancelled')
    assert.equal((await failureOf(silent.voice.transcribe(audio, { mime: 'audio/ogg' }, ending.signal))).code, 'cancelled')
  })

  it('sends nothing of a kind that services do not know', async () => {
    await using service = await against(json({ text: 'hello' }))
    assert.equal((await failureOf(service.voice.transcribe(audio, { mime: 'video/x-evil"\r\n' }, never))).code, 'bad_input')
    assert.equal(service.asked.length, 0)
  })
})

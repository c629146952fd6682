/**
 * Models of a service that hear and speak, by the endpoints of OpenAI and of services compatible with it: `/audio/transcriptions` takes a
 * form with the audio, `/audio/speech` answers with audio. Nothing that the sender of the audio has chosen goes into the form but the audio.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Clock, type Failure, ownValue, OxbowError, type Random } from '../../base/index.ts'
import type { Heard, ModelVoice, SpeakOptions, SpeechFormat, TranscribeOptions } from '../../protocol/index.ts'
import { createEndpoint, type Endpoint, type Form, postJson, startExchange } from '../http/http-exchange.ts'
import { maxHeardChars, maxSpeechBytes, type ModelLimits } from '../limits.ts'
import { cancelled, type Problem, problem } from '../model-problem.ts'
import { retryWaitMs } from '../reliability/reliable-model.ts'

interface VoicesOptions {
  /** Of the service. */
  readonly id: string
  readonly baseUrl: URL
  /** Empty for services without one. */
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly official: boolean
  readonly clock: Clock
  readonly random: Random
  readonly limits: ModelLimits
}

/** The models of a service that hear and speak, over the same connections. */
export interface ServiceVoices {
  model(name: string): ModelVoice
  close(): void
}

/** Endings that services know a kind of audio by. */
const endings: Readonly<Record<string, string>> = {
  'audio/ogg': 'ogg',
  'audio/mpeg': 'mp3',
  'audio/wav': 'wav',
  'audio/flac': 'flac',
  'audio/mp4': 'm4a',
  'audio/webm': 'webm',
}

const formats: Readonly<Record<SpeechFormat, string>> = { ogg: 'opus', mp3: 'mp3', wav: 'wav' }

export function createServiceVoices(options: VoicesOptions): ServiceVoices {
  const { id, baseUrl, key, headers, official, clock, limits } = options
  const own = { accept: '*/*', ...(key !== '' && { authorization: `Bearer ${key}` }), ...headers }
  const endpoint = createEndpoint({ baseUrl, key, headers: own, clock, limits })
  const again: Again = (ask, signal) => untilAnswered(options, ask, signal)
  return {
    model: (model) => ({
      provider: id,
      model,
      isOfficial: official,
      transcribe: (audio, wanted, signal) => transcribe(endpoint, again, model, audio, wanted, signal),
      speak: (text, wanted, signal) => speak(endpoint, again, model, text, wanted, signal),
    }),
    close: () => endpoint.close(),
  }
}

/** `isBilled`: see `JsonAnswer`. */
type Answer<Value> = { readonly value: Value } | { readonly problem: Problem; readonly isBilled: boolean }

type Again = <Value>(ask: () => Promise<Answer<Value>>, signal: AbortSignal) => Promise<Value>

/** @throws OxbowError of the last try, with `billed` in its data where the service may bill it */
async function untilAnswered<Value>(
  { limits, random }: VoicesOptions,
  ask: () => Promise<Answer<Value>>,
  signal: AbortSignal,
): Promise<Value> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask()
    if ('value' in answer) return answer.value
    const { failure, retry, waitMs } = answer.problem
    const wait = retryWaitMs(retry ? { waitMs } : undefined, tries, limits, random)
    if (wait === null) throw failed(failure, answer.isBilled)
    await sleep(wait, undefined, { signal }).catch(() => {})
  }
}

const failed = ({ code, message, hint }: Failure, isBilled: boolean): OxbowError =>
  new OxbowError(code, message, { hint, data: isBilled ? { billed: true } : {} })

async function transcribe(
  endpoint: Endpoint,
  again: Again,
  model: string,
  audio: Uint8Array,
  { mime, language }: TranscribeOptions,
  signal: AbortSignal,
): Promise<Heard> {
  const ending = ownValue(endings, mime)
  if (ending === undefined)
    throw new OxbowError('bad_input', `Services do not understand audio of the type ${mime}.`, {
      hint: `Send ${Object.values(endings).join(', ')}.`,
    })
  const form = formOf(
    { model, response_format: 'json', ...(language !== undefined && { language }) },
    { name: `audio.${ending}`, type: mime, bytes: audio },
  )
  const answer = await again(() => postJson(endpoint, '/audio/transcriptions', form, maxHeardChars, signal), signal)
  const { text, duration, usage } = answer as { text?: unknown; duration?: unknown; usage?: { seconds?: unknown } | null }
  if (typeof text !== 'string') throw failed(garbled(endpoint, 'sent no text of what it has heard').failure, true)
  const seconds = [duration, usage?.seconds].find((each): each is number => typeof each === 'number' && each >= 0 && each < maxSeconds)
  return { text, seconds: seconds ?? null }
}

/** A day: no audio that is sent has more, whatever a service says. */
const maxSeconds = 86_400

interface FilePart {
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
}

/** `multipart/form-data`, RFC 7578. A boundary of 128 random bits is in no audio. */
function formOf(fields: Readonly<Record<string, string>>, file: FilePart): Form {
  const boundary = process.getBuiltinModule('node:crypto').randomUUID()
  const head = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  const begin = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${file.name}"\r\ncontent-type: ${file.type}\r\n\r\n`
  const pieces = [Buffer.from(head.join('') + begin), Buffer.from(file.bytes), Buffer.from(`\r\n--${boundary}--\r\n`)]
  return { pieces, type: `multipart/form-data; boundary=${boundary}` }
}

/** Services want one; this one OpenAI and those that imitate it have. */
const usualVoice = 'alloy'

async function speak(
  endpoint: Endpoint,
  again: Again,
  model: string,
  text: string,
  { voice = usualVoice, format }: SpeakOptions,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const body = Buffer.from(JSON.stringify({ model, input: text, voice, response_format: formats[format] }))
  const audio = await again(() => postForBytes(endpoint, '/audio/speech', body, signal), signal)
  // Some services wrap an error in a 200.
  if (audio.length === 0 || audio[0] === 0x7b) throw failed(garbled(endpoint, 'sent no audio').failure, true)
  return audio
}

/** Posts JSON and reads an answer of bytes. Makes one try. Never rejects. */
function postForBytes(endpoint: Endpoint, path: string, body: Buffer, signal: AbortSignal): Promise<Answer<Buffer>> {
  return new Promise((resolve) => {
    const stopped = (isBilled: boolean): Answer<Buffer> => ({ problem: { failure: cancelled, retry: false, waitMs: null }, isBilled })
    if (signal.aborted) return resolve(stopped(false))
    const pieces: Buffer[] = []
    let bytes = 0
    const settle = (answer: Answer<Buffer>): void => {
      signal.removeEventListener('abort', onAbort)
      exchange.stop()
      resolve(answer)
    }
    const onAbort = (): void => settle(stopped(exchange.sent()))
    const exchange = startExchange(endpoint, path, [body], {
      json: true,
      onText: () => true,
      onBytes: (status, piece) => {
        if (status !== 200) return
        pieces.push(piece)
        bytes += piece.length
        if (bytes > maxSpeechBytes) settle({ problem: garbled(endpoint, 'sent audio that is too long'), isBilled: true })
      },
      onEnd: (cut, isStale) => {
        if (cut === null) settle({ value: Buffer.concat(pieces) })
        // A kept-alive connection turned out to be dead: nothing was asked.
        else settle({ problem: isStale ? { ...cut, retry: true, waitMs: 0 } : cut, isBilled: bytes > 0 })
      },
    })
    signal.addEventListener('abort', onAbort)
  })
}

function garbled({ origin }: Endpoint, what: string): Problem {
  return problem('model_garbled', `${origin} ${what}.`, 'Check the base URL, and that the model is one that hears or speaks.')
}

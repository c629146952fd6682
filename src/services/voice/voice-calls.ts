/** `voice.transcribe` and `voice.speak`: what was said as text, and a text as audio. Both by the engine that `[voice]` names. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import { type Call, type Caller, defineCall, type ModelVoice, type Spend, type Voice } from '../../protocol/index.ts'
import { sectionOf } from '../../config/index.ts'
import { audioFacts, type AudioFacts } from './audio-length.ts'
import { localVoice as local, voiceConfig } from './config.ts'
import { maxAudioBytes, maxAudioPieces, maxAudioSeconds, maxSpokenChars, maxTranscriptChars } from './limits.ts'
import { heardTokens, noPrice, priceOf, spokenTokens } from './prices.ts'

type VoiceDeps = Pick<Core, 'config' | 'engine' | 'budgets' | 'blobs' | 'sandbox'>

/** Longer than any request may take by `voice.timeout_s`. */
const callMs: number = 11 * 60_000

const piece = z.string().regex(/^[0-9a-f]{64}$/)

const shared = {
  tier: 'side_effecting',
  right: 'voice.use',
  effect: 'idempotent',
  audience: ['terminal', 'runtime'],
  billed: true,
  timeoutMs: callMs,
} as const satisfies Partial<Call>

export function voiceCalls(deps: VoiceDeps): readonly Call[] {
  return [transcribeCall(deps), speakCall(deps)]
}

/** What `[voice]` names for one of the two. */
interface Chosen {
  /** Null: programs of the person. */
  readonly model: ModelVoice | null
  open(): Promise<Voice>
}

async function chosen({ config, engine, sandbox }: VoiceDeps, key: 'transcribe' | 'speak'): Promise<Chosen> {
  const settings = sectionOf(voiceConfig, config)
  const name = settings[key]
  if (name === '')
    throw new OxbowError('bad_config', key === 'transcribe' ? 'Nothing is set up to hear voice messages.' : 'Nothing is set up to speak.', {
      hint: `Set voice.${key} in config.toml: docs/channels/voice.md.`,
    })
  if (name === local)
    return {
      model: null,
      // No file of a call is seen, so the sandbox is the guest's.
      open: async () => (await import('./local-voice.ts')).localVoice(sandbox, settings.local, settings),
    }
  const model = await engine.voice?.(name)
  if (model === undefined)
    throw new OxbowError('bad_config', 'This guest has no services of models.', { hint: `Set voice.${key} = "local".` })
  return { model, open: async () => model }
}

/** What it would cost. @throws OxbowError `budget_exhausted` where a budget in money is to cover what nobody knows */
function covered(
  { budgets }: VoiceDeps,
  caller: Caller,
  { model }: Chosen,
  price: Spend | null,
  key: Parameters<typeof noPrice>[1],
  tokens: number,
): Spend {
  if (price !== null) return price
  if (budgets.limitsMoney(caller)) throw noPrice(model!, key)
  return { microDollars: 0, tokens }
}

/** Runs under the time limit of a request. What was sent may cost even when it fails. */
async function timed<Output>(
  { config }: VoiceDeps,
  signal: AbortSignal,
  spent: Spend,
  work: (signal: AbortSignal) => Promise<Output>,
): Promise<Output> {
  const { timeout_s: seconds } = sectionOf(voiceConfig, config)
  const late = AbortSignal.timeout(seconds * 1_000)
  try {
    return await work(AbortSignal.any([signal, late]))
  } catch (error) {
    if (signal.aborted) throw error
    const charged = { spent: { ...spent } }
    if (late.aborted)
      throw new OxbowError('timeout', `It took longer than ${seconds} s.`, {
        hint: 'Try it again, or raise voice.timeout_s in config.toml.',
        data: charged,
        cause: error,
      })
    if (!isOxbowError(error) || error.data['billed'] !== true) throw error
    const { code, message, hint } = error
    throw new OxbowError(code, message, { hint, data: charged, cause: error })
  }
}

const transcribeInput = z.strictObject({
  pieces: z
    .array(piece)
    .min(1)
    .max(maxAudioPieces)
    .readonly()
    .describe('Hashes of the pieces of the audio, in order, as `attachment.put` returns them.'),
  language: z.string().max(20).default('').describe('ISO 639-1; empty: as `voice.language` says.'),
  max_seconds: z.number().min(0).max(maxAudioSeconds).default(maxAudioSeconds).describe('Longer audio is refused.'),
  own: z.boolean().default(false).describe('The person has spoken it, and to the agent: the text is not marked as untrusted.'),
})

function transcribeCall(deps: VoiceDeps): Call {
  /** @throws OxbowError `not_found`, `limit_reached`, `bad_input` */
  const read = async ({ pieces, max_seconds: most }: z.infer<typeof transcribeInput>): Promise<AudioFacts & { readonly audio: Buffer }> => {
    const audio = await audioOf(deps, pieces)
    const facts = audioFacts(audio)
    if (facts === null)
      throw new OxbowError('bad_input', 'The audio cannot be read: it is damaged, or of a kind that is not known.', {
        hint: 'Send Opus in Ogg, MP3, M4A, WAV or FLAC.',
      })
    if (facts.seconds > most)
      throw new OxbowError('limit_reached', `That is ${lengthText(facts.seconds)} of audio; at most ${lengthText(most)} are heard.`, {
        hint: 'Send less at once.',
      })
    return { ...facts, audio }
  }
  const costOf = (choice: Chosen, caller: Caller, seconds: number): Spend => {
    const price = priceOf(choice.model, sectionOf(voiceConfig, deps.config)).heard(seconds)
    return covered(deps, caller, choice, price, 'minute_price', heardTokens(seconds))
  }
  return defineCall({
    ...shared,
    name: 'voice.transcribe',
    summary: 'Turns recorded speech into text.',
    input: transcribeInput,
    output: z.strictObject({ text: z.string().describe('Empty: no words were heard.'), seconds: z.number() }),
    example: { pieces: ['0'.repeat(64)], language: 'en', max_seconds: 600, own: false },
    labels: { adds: [], sink: true },
    async reserve(input, exact, caller) {
      const choice = await chosen(deps, 'transcribe')
      return costOf(choice, caller, exact ? (await read(input)).seconds : input.max_seconds)
    },
    recordOutput: ({ seconds }) => ({ seconds }),
    async run(input, context) {
      const { language, own } = input
      const { audio, mime, seconds } = await read(input)
      const choice = await chosen(deps, 'transcribe')
      const engine = await choice.open()
      const wanted = language || sectionOf(voiceConfig, deps.config).language || undefined
      const spent = costOf(choice, context.caller, seconds)
      const heard = await timed(deps, context.signal, spent, (signal) => engine.transcribe(audio, { mime, language: wanted }, signal))
      const text = heard.text.trim().slice(0, maxTranscriptChars).toWellFormed()
      return {
        output: { text, seconds: Math.round(seconds * 10) / 10 },
        text,
        spent: heard.seconds === null ? spent : costOf(choice, context.caller, Math.max(seconds, heard.seconds)),
        ...(!own && { labels: ['untrusted'] as const }),
      }
    },
  })
}

async function audioOf({ blobs }: VoiceDeps, pieces: readonly string[]): Promise<Buffer> {
  const found: Uint8Array[] = []
  let bytes = 0
  for (const hash of pieces) {
    const content = await blobs.read(hash)
    if (content === null) throw new OxbowError('not_found', 'A part of the audio is missing.', { hint: 'Send it again.' })
    found.push(content)
    bytes += content.length
    if (bytes > maxAudioBytes)
      throw new OxbowError('limit_reached', `The audio has more than ${maxAudioBytes / 1_000_000} MB.`, { hint: 'Send less at once.' })
  }
  return Buffer.concat(found)
}

const lengthText = (seconds: number): string => (seconds < 90 ? `${Math.ceil(seconds)} seconds` : `${Math.round(seconds / 6) / 10} minutes`)

const mimes = { ogg: 'audio/ogg', mp3: 'audio/mpeg', wav: 'audio/wav' } as const

const speakInput = z.strictObject({
  text: z.string().min(1).max(maxSpokenChars),
  voice: z.string().max(100).default('').describe('Name of a voice; empty: as `voice.voice` says.'),
  format: z.enum(['ogg', 'mp3', 'wav']).default('ogg').describe('`ogg` is Opus in Ogg, as voice messages are.'),
})

/** Bytes of a piece that is stored. */
const pieceBytes: number = 1024 * 1024

function speakCall(deps: VoiceDeps): Call {
  const costOf = (choice: Chosen, caller: Caller, { text }: Pick<z.infer<typeof speakInput>, 'text'>): Spend => {
    const price = priceOf(choice.model, sectionOf(voiceConfig, deps.config)).spoken(text.length)
    return covered(deps, caller, choice, price, 'character_price', spokenTokens(text.length))
  }
  return defineCall({
    ...shared,
    name: 'voice.speak',
    summary: 'Speaks a text.',
    input: speakInput,
    output: z.strictObject({
      media_type: z.string(),
      bytes: z.int(),
      pieces: z.array(z.string()).describe('Hashes of the pieces, in order; `media.read` returns one.'),
    }),
    example: { text: 'The backup is done.', voice: '', format: 'ogg' },
    labels: { adds: [], sink: true },
    reserve: async (input, _exact, caller) => costOf(await chosen(deps, 'speak'), caller, input),
    recordOutput: (output) => ({ ...output }),
    async run(input, context) {
      const { text, voice, format } = input
      const choice = await chosen(deps, 'speak')
      const engine = await choice.open()
      const wanted = { format, voice: voice || sectionOf(voiceConfig, deps.config).voice || undefined }
      const spent = costOf(choice, context.caller, input)
      const audio = await timed(deps, context.signal, spent, (signal) => engine.speak(text, wanted, signal))
      const pieces: string[] = []
      for (let at = 0; at < audio.length; at += pieceBytes) pieces.push(await context.blobs.keep(audio.subarray(at, at + pieceBytes)))
      return { output: { media_type: mimes[format], bytes: audio.length, pieces }, text: `${audio.length} bytes of audio`, spent }
    },
  })
}

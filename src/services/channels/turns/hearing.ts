/**
 * What is done with audio: what somebody has said becomes the text of their message, before its turn; an answer is spoken. Each by one call,
 * whose id follows from the message or the answer: after a crash it is the same call, and what was heard or spoken is not paid for again.
 */
import {
  type CallId,
  derivedId,
  type Failure,
  failureSentences,
  type SessionId,
  textIn,
  truncate,
  type TurnId,
} from '../../../base/index.ts'
import { sectionOf } from '../../../config/index.ts'
import { userCaller } from '../../../kernel/index.ts'
import type { Caller, CallOutcome, OutputOf } from '../../../protocol/index.ts'
import { voiceConfig } from '../../voice/service.ts'
import type { ChannelDeps } from '../channel-deps.ts'
import { type ChatDoc, identityCategory, newDelivery, type Running } from '../channel-records.ts'
import type { Delivery, KeptPieces } from '../channel-schemas.ts'
import { maxShownTranscript, maxSpeechSeconds, maxSpokenAnswer, maxTextChars } from '../limits.ts'

/** Nothing else is needed to hear what somebody has said, whoever may speak. */
const voiceRights: ReadonlySet<string> = new Set(['voice.use'])

interface Heard {
  /** With the words that were heard; null: nothing is left that could run. */
  readonly running: Running | null
  readonly notices: readonly Delivery[]
}

type Transcript = OutputOf<'voice.transcribe'>

/** @throws the reason of the signal: then it is heard again later */
export async function hear(deps: ChannelDeps, chat: ChatDoc, running: Running, signal: AbortSignal): Promise<Heard> {
  const isOn = sectionOf(voiceConfig, deps.config).transcribe !== ''
  const audio = running.files.filter(({ speech }) => speech !== undefined)
  const isOwn = audio.some(({ speech }) => speech === 'own')
  if (!isOn) return { running: { ...running, heard_audio: 'other' }, notices: isOwn ? [noticeOf(deps, chat, running, [notSetUp])] : [] }
  const caller = await callerOf(deps, chat, running)
  const said: Record<NonNullable<KeptPieces['speech']>, string[]> = { own: [], others: [] }
  const faults: string[] = []
  const done = new Set<KeptPieces>()
  let left = maxSpeechSeconds
  for (const [index, file] of audio.entries()) {
    const input = { pieces: file.pieces, max_seconds: Math.max(0, left), own: file.speech === 'own' && running.role === 'owner' }
    const outcome = await callOnce(deps, caller, 'voice.transcribe', input, [running.turn, index], signal)
    if (outcome.status !== 'ok') {
      faults.push(`I could not hear ${file.speech === 'own' ? 'that' : 'the audio'}. ${sentenceOf(outcome.failure)}`)
      continue
    }
    const { text, seconds } = outcome.output as Transcript
    left -= seconds
    if (text === '') faults.push('I heard no words.')
    else said[file.speech!].push(text)
    done.add(file)
  }
  // What the sender has said is their message now. Any other audio stays with it, as every file does.
  const files = running.files.filter((file) => !(done.has(file) && file.speech === 'own'))
  const text = truncate([running.text, ...said.own].filter((each) => each !== '').join('\n'), maxTextChars)
  const quoted = [...running.quoted.filter((each) => each !== ''), ...said.others.map((each) => truncate(each, maxTextChars))]
  const rest = files.filter(({ speech }) => speech === undefined)
  const isEmpty = text === '' && quoted.length === 0 && rest.length === 0
  const lines = [
    ...said.own.map((each) => `You said: ${shownText(each)}`),
    ...said.others.map((each) => `The audio says: ${shownText(each)}`),
    ...faults,
  ]
  const next: Running = { ...running, text, quoted, files, heard_audio: said.own.length > 0 ? 'spoken' : 'other' }
  return { running: isEmpty ? null : next, notices: [noticeOf(deps, chat, running, lines)] }
}

const notSetUp = 'I cannot hear voice messages yet: set voice.transcribe in config.toml, as docs/channels/voice.md says.'

function noticeOf(
  { clock }: ChannelDeps,
  { channel, space, chat, thread }: ChatDoc,
  { turn }: Running,
  lines: readonly string[],
): Delivery {
  const text = lines.join('\n\n')
  return newDelivery(derivedId('heard', turn), { channel, space, chat, thread, kind: 'notice', text, made_at: clock.now() })
}

/** Words that were heard, or that a service sends, are no Markdown. */
function shownText(text: string): string {
  const plain = truncate(text.replace(/\s+/g, ' '), maxShownTranscript)
  return plain.replace(/[!-/:-@[-`{-~]/g, (sign) => (/[,.;:'?!-]/.test(sign) ? sign : `\\${sign}`))
}

const sentenceOf = ({ message, hint }: Pick<Failure, 'message' | 'hint'>): string => shownText(failureSentences({ message, hint }))

/** @returns who speaks, with the right to be heard; somebody who is not linked any more has none */
async function callerOf({ user, documents }: ChannelDeps, { channel }: ChatDoc, { role, identity, session }: Running): Promise<Caller> {
  if (role === 'owner') return userCaller(user, session, '')
  const isLinked = (await documents.get(identityCategory, identity)) !== null
  return { ...userCaller(user, session, ''), actor: `user:${channel}/${identity}`, rights: isLinked ? voiceRights : new Set() }
}

/** A request that a stop or a crash has cut off is made again, as another call: a service may have billed it, so both are charged. */
const maxRequests = 3
/** A stop of the guest ends its calls first, and what made them after. */
const stopPauseMs = 2_000

/** @param of parts of the call's id: with the same parts it is the same call, whose outcome is final @throws the reason of the signal */
async function callOnce(
  { gate, sessions, runs }: ChannelDeps,
  caller: Caller,
  name: string,
  input: object,
  of: readonly (string | number)[],
  signal: AbortSignal,
): Promise<CallOutcome> {
  if (caller.session !== '') await sessions.load(caller.session).catch(() => {})
  for (let request = 1; ; request += 1) {
    const id = derivedId(name, ...of, request) as CallId
    const outcome = await gate.call(caller, name, input, { id, signal, resumed: true, durable: true })
    signal.throwIfAborted()
    if (outcome.status === 'ok' || outcome.failure.code !== 'cancelled' || request >= maxRequests) return outcome
    if (outcome.status === 'cancelled') await runs.pause(stopPauseMs, signal)
  }
}

/** An answer as audio, or a note about why it is not spoken. */
export interface Spoken {
  readonly media_type: string
  readonly pieces: readonly string[]
  readonly note: Delivery | null
}

const silent: Spoken = { media_type: '', pieces: [], note: null }

/** Speaks the answer of a turn that has ended. */
export async function speakAnswer(deps: ChannelDeps, delivery: Delivery, signal: AbortSignal): Promise<Spoken> {
  const { runs, user, clock, config } = deps
  const { session, turn, channel, space, chat, thread } = delivery
  if (sectionOf(voiceConfig, config).speak === '') return silent
  const text = speakable(textIn(await runs.turns.ended(turn as TurnId, signal), 'reply'))
  if (text === '') return silent
  const caller = userCaller(user, session as SessionId, '')
  const outcome = await callOnce(deps, caller, 'voice.speak', { text, format: 'ogg' }, [delivery.id], signal)
  if (outcome.status === 'ok') {
    const { media_type, pieces } = outcome.output as OutputOf<'voice.speak'>
    return { media_type, pieces, note: null }
  }
  const note = newDelivery(derivedId('unspoken', delivery.id), {
    channel,
    space,
    chat,
    thread,
    kind: 'notice',
    text: `This answer could not be spoken. ${sentenceOf(outcome.failure)}`,
    made_at: clock.now(),
  })
  return { ...silent, note }
}

/** @returns Markdown as one would read it out: without code, marks and addresses; at most so much as is spoken at once */
export function speakable(markdown: string): string {
  const plain = markdown
    .replace(/```[\s\S]*?(?:```|$)/g, ' ')
    .replace(/!?\[([^\]\n]*)\]\([^)\n]*\)/g, '$1')
    .replace(/https?:\/\/\S+/g, ' ')
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+]|\|)[ \t]*/gm, '')
    .replace(/[*_~`|#]+/g, '')
    .replace(/[^\S\n]+/g, ' ')
    .trim()
  return truncate(plain, maxSpokenAnswer)
}

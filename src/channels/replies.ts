/**
 * The answer of a turn, shown while it is written where a platform can edit: a placeholder, whose id is on record, gets the content by edits,
 * which can be repeated. Where it cannot, the end of the turn is sent.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallId, isOxbowError, type SessionId, type TurnId, untilAborted } from '../base/index.ts'
import { type FollowEvent, watchTurn } from '../client/index.ts'
import type { Delivery, Guest } from './gateway.ts'
import { maxFiles, maxParts, releaseWaitS } from './limits.ts'
import type { OutboundPart } from './port.ts'
import { chatOf, editUntilDone, type SendingDeps, sendOnce } from './sending.ts'
import { renderMarkdown } from './text/index.ts'

export interface ReplyDeps extends SendingDeps {
  readonly guest: Guest
  readonly log: (message: string) => void
}

/** What stands in a chat until there is something to say. */
export const placeholder: OutboundPart = { text: '…', plain: '…' }
/** The part that is a text as a file: a text has fewer parts. Files that an agent sends follow it. */
export const textFilePart = 9
const firstMediaPart = 10
const voicePart = 20
const partMargin = 200

/** What a turn has come to. */
type Ended = Awaited<Awaited<ReturnType<typeof watchTurn>>['over']>

/** Resolves when the whole answer stands on the platform. @throws Undelivered, the reason of the signal, OxbowError of the guest */
export async function deliverReply(deps: ReplyDeps, delivery: Delivery): Promise<void> {
  const { adapter } = deps
  const withReply = (part: OutboundPart): OutboundPart => (delivery.reply_to === '' ? part : { ...part, replyTo: delivery.reply_to })
  const place = (part: number, content: OutboundPart): Promise<string> =>
    sendOnce(deps, delivery, part, adapter.limits.edits, (intent) =>
      adapter.send(chatOf(delivery), withReply(content), intent, deps.signal),
    )
  const first = adapter.limits.edits ? await place(0, placeholder) : ''
  const ended = await follow(deps, delivery, first)
  const isAllowed = await released(deps, delivery, first)
  const text = isAllowed ? [textOf(ended), ...leftOut(ended.media, adapter.limits)].join('\n\n') : notAllowed
  const parts = renderMarkdown(text, adapter.limits.dialect, adapter.limits.textLength - partMargin)
  const isFile = parts.length > maxParts
  const shown = isFile
    ? [
        ...renderMarkdown(
          `${parts[0]!.plain.slice(0, maxTeaserChars)}…\n\nThe whole answer is in the file.`,
          adapter.limits.dialect,
          adapter.limits.textLength,
        ),
      ]
    : parts
  for (const [index, part] of shown.entries()) {
    if (!adapter.limits.edits) {
      await place(index, part)
      continue
    }
    const id = index === 0 ? first : await place(index, placeholder)
    await editUntilDone(deps, delivery, () => adapter.edit(chatOf(delivery), id, part, deps.signal))
  }
  if (isFile)
    await upload(deps, delivery, textFilePart, { name: 'answer.md', type: 'text/markdown', bytes: Buffer.from(text), caption: '' })
  if (!isAllowed) return
  for (const [index, { name, media_type, pieces, caption }] of ended.media.slice(0, maxFiles).entries()) {
    const bytes = Buffer.concat(await Promise.all(pieces.map((piece) => deps.guest.read(piece))))
    const file = { name, type: media_type, bytes, caption: caption.slice(0, maxCaptionChars) }
    if (bytes.length > 0 && bytes.length <= adapter.limits.fileBytes) await upload(deps, delivery, firstMediaPart + index, file)
  }
  if (delivery.spoken) await sendSpoken(deps, delivery)
}

/** The text stands already: what cannot be spoken is not tried again, and the guest says why. */
async function sendSpoken(deps: ReplyDeps, delivery: Delivery): Promise<void> {
  const { guest, adapter, log, signal } = deps
  const spoken = await untilAborted(guest.speak(delivery.id), signal).catch((error: unknown) => {
    // It is asked again under the same id when the guest is back.
    if (signal.aborted || isOxbowError(error, 'guest_unreachable') || isOxbowError(error, 'cancelled')) throw error
    log(`an answer was not spoken: ${isOxbowError(error) ? error.message : String(error)}`)
    return null
  })
  if (spoken === null || spoken.pieces.length === 0) return
  const bytes = Buffer.concat(await Promise.all(spoken.pieces.map((piece) => guest.read(piece))))
  const file = { name: 'answer.ogg', type: spoken.media_type, bytes, caption: '', voice: true } as const
  if (bytes.length > adapter.limits.fileBytes) log('a spoken answer is too large for the platform')
  else await upload(deps, delivery, voicePart, file)
}

const notAllowed = '(The owner has not allowed this answer here.)'
const waiting: OutboundPart = { text: '(This answer waits for the owner.)', plain: '(This answer waits for the owner.)' }

/** Where others read an answer, the guest says whether they may; the owner may have to be asked. @param message the placeholder; empty: none */
async function released(deps: ReplyDeps, delivery: Delivery, message: string): Promise<boolean> {
  const { guest, adapter, signal } = deps
  if (!delivery.guarded) return true
  for (let told = false; ; told = true) {
    const state = await untilAborted(guest.release(delivery.id, told ? releaseWaitS : 0), signal)
    if (state !== 'waits') return state === 'allowed'
    if (!told && message !== '') await editUntilDone(deps, delivery, () => adapter.edit(chatOf(delivery), message, waiting, signal))
  }
}

/** @returns what the person is told of files that do not come along */
export function leftOut(
  media: readonly Pick<Ended['media'][number], 'name' | 'bytes'>[],
  { fileBytes }: { readonly fileBytes: number },
): readonly string[] {
  const tooLarge = media.slice(0, maxFiles).filter(({ bytes }) => bytes > fileBytes)
  const notes = tooLarge.map(
    ({ name }) => `(The file ${codeOf(name)} is too large for this channel, which takes ${fileBytes / 1_000_000} MB.)`,
  )
  const more = media.length - maxFiles
  return more > 0
    ? [...notes, `(${more} more ${more === 1 ? 'file was' : 'files were'} left out: an answer has at most ${maxFiles}.)`]
    : notes
}

/** A name as it is, whatever marks are in it. */
const codeOf = (name: string): string => `\`${name.replaceAll(/[`\s]+/g, ' ').trim()}\``

const maxTeaserChars = 1_000
const maxCaptionChars = 1_000

/** Sends a file, once. */
export async function upload(
  deps: SendingDeps,
  delivery: Delivery,
  part: number,
  file: Parameters<SendingDeps['adapter']['upload']>[1],
): Promise<void> {
  await sendOnce(deps, delivery, part, false, (intent) => deps.adapter.upload(chatOf(delivery), file, intent, deps.signal))
}

function textOf({ reply, failure, status }: Ended): string {
  const stopped = status === 'cancelled' ? '(Stopped.)' : ''
  // A reply that was cut off by a limit says so itself.
  const isSaid = failure === null || status === 'cancelled' || reply.includes(failure.message)
  const failed = isSaid ? '' : `⚠ ${failure.message} ${failure.hint}`.trim()
  return [reply.trim(), stopped || failed].filter((text) => text !== '').join('\n\n') || '(No answer.)'
}

/** Shows the text as it grows, until the turn is over. */
async function follow(deps: ReplyDeps, delivery: Delivery, message: string): Promise<Ended> {
  const { guest, signal } = deps
  const growing = { call: '', text: '', shown: '' }
  const onEvent = (event: FollowEvent): void => {
    if (event.type === 'text' || event.type === 'restart') {
      const isSame = event.call === growing.call && event.type === 'text'
      growing.call = event.call
      growing.text = isSame ? growing.text + event.text : event.text
    }
    if (event.type === 'approval' && event.waits) ask(event.approval.call)
    if (event.type === 'caught_up') event.pending.forEach(({ call }) => ask(call))
  }
  const ask = (call: CallId): void => void guest.ask(delivery.session, call).catch(() => deps.log('a question was not asked'))
  const watch = await watchTurn({
    gateway: guest.client,
    session: delivery.session as SessionId,
    turn: delivery.turn as TurnId,
    cursor: Math.max(0, delivery.cursor - 1),
    onEvent,
    onPending: ({ call }) => ask(call),
  })
  const over = new AbortController()
  try {
    const showing = message === '' ? Promise.resolve() : showGrowth(deps, delivery, message, growing, over.signal)
    const ended = await untilAborted(watch.over, signal)
    over.abort()
    await showing
    return ended
  } finally {
    over.abort()
    watch.stop()
  }
}

interface Growing {
  readonly text: string
  shown: string
}

const lookMs = 100

/** Edits as often as the platform lets it. What it cannot show now, the next edit shows. Never rejects. */
async function showGrowth(deps: ReplyDeps, delivery: Delivery, message: string, growing: Growing, over: AbortSignal): Promise<void> {
  const { adapter, pacing, guest } = deps
  const chat = chatOf(delivery)
  const stop = AbortSignal.any([over, deps.signal])
  try {
    while (!stop.aborted) {
      if (growing.text === growing.shown || growing.text.trim() === '') {
        await sleep(lookMs, undefined, { signal: stop })
        continue
      }
      await pacing.turn(chat, delivery.reply_to !== '', stop)
      const now = growing.text
      // What was read before it was written is known by then.
      if (delivery.guarded && (await guest.release(delivery.id, 'growing')) !== 'allowed') {
        growing.shown = now
        continue
      }
      const [part] = renderMarkdown(now, adapter.limits.dialect, adapter.limits.textLength - partMargin)
      const sent = await adapter.edit(chat, message, part!, deps.signal)
      growing.shown = now
      if (!sent.ok && sent.why === 'throttled') pacing.hold(chat, sent.retryAfterMs)
      await adapter.typing(chat)
    }
  } catch (error) {
    if (!stop.aborted) deps.log(`an edit failed: ${isOxbowError(error) ? error.message : String(error)}`)
  }
}

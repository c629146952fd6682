/** What a channel has to deliver: each delivery by itself, answers of a session one after another. */
import { createRecentMap, isOxbowError, type JsonObject, type Clock, type Random, untilAborted } from '../base/index.ts'
import type { Delivery, Guest } from './gateway.ts'
import { maxParts, maxSenders } from './limits.ts'
import { createPacing } from './pacing.ts'
import type { ChannelAdapter } from './port.ts'
import { deliverReply, placeholder, type ReplyDeps, textFilePart, upload } from './replies.ts'
import { chatOf, editUntilDone, sendOnce, Undelivered } from './sending.ts'
import { pauseFor, retryMs } from './retries.ts'
import { renderMarkdown } from './text/index.ts'

export interface Deliveries {
  /** All that is open now. */
  take(deliveries: readonly Delivery[]): void
  /** Resolves when nothing is under way; the signal ends it. */
  close(): Promise<void>
}

interface DeliveriesDeps {
  readonly channel: string
  readonly guest: Guest
  /** Resolves when the channel is connected. */
  readonly adapter: Promise<ChannelAdapter>
  readonly clock: Clock
  readonly random: Random
  readonly log: (message: string, fields?: JsonObject) => void
  readonly signal: AbortSignal
}

export function createDeliveries(deps: DeliveriesDeps): Deliveries {
  const { channel, guest, clock, random, log, signal } = deps
  const under = new Map<string, Promise<void>>()
  /** A page may have been read before the end of one was on record. */
  const ended = createRecentMap<string, true>(maxSenders)
  /** The last answer of each session. */
  const sessions = new Map<string, Promise<void>>()
  const connected = deps.adapter.then((adapter) => ({ adapter, pacing: createPacing(adapter.limits, clock) }))
  connected.catch(() => {})
  const deliver = async (delivery: Delivery): Promise<void> => {
    const { adapter, pacing } = await untilAborted(connected, signal)
    const parts: ReplyDeps = { guest, adapter, pacing, random, signal, log: (message) => log(message, { channel, delivery: delivery.id }) }
    if (delivery.kind === 'reply') await deliverReply(parts, delivery)
    else await deliverText(parts, delivery)
    await guest.sent({ delivery: delivery.id, end: { state: 'done', why: '' } })
  }
  /** Never rejects: what fails is tried again, or given up with its reason on record. */
  const work = async (delivery: Delivery): Promise<void> => {
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        return await deliver(delivery)
      } catch (error) {
        if (signal.aborted) return
        const end = error instanceof Undelivered ? { state: error.state, why: error.message.slice(0, 300) } : null
        if (end !== null) {
          const told = await guest.sent({ delivery: delivery.id, end }).then(
            () => true,
            () => false,
          )
          if (told) return
        }
        // It was removed, or ended meanwhile.
        if (isOxbowError(error, 'not_found')) return
        log('a delivery is tried again', { channel, delivery: delivery.id, why: isOxbowError(error) ? error.message : String(error) })
        await pauseFor(retryMs(failures, random), signal)
      }
    }
  }
  const keyOf = ({ id, made_at: at }: Delivery): string => `${id} ${at}`
  return {
    take(deliveries) {
      for (const delivery of deliveries) {
        const key = keyOf(delivery)
        if (under.has(key) || ended.get(key) === true) continue
        const before = delivery.kind === 'reply' ? (sessions.get(delivery.session) ?? Promise.resolve()) : Promise.resolve()
        const done = before
          .then(() => work(delivery))
          .then(() => {
            under.delete(key)
            ended.put(key, true)
            if (sessions.get(delivery.session) === done) sessions.delete(delivery.session)
          })
        under.set(key, done)
        if (delivery.kind === 'reply') sessions.set(delivery.session, done)
      }
    },
    async close() {
      await Promise.all(under.values())
    },
  }
}

/**
 * A notice goes whole; where its end is not known, the guest says so instead of sending it again. A question, whose buttons must come, is a
 * placeholder first. One that was delivered before is edited.
 */
async function deliverText(deps: ReplyDeps, delivery: Delivery): Promise<void> {
  const { adapter, signal } = deps
  const { text, file, buttons, kind } = delivery
  const rendered = text === '' ? [] : renderMarkdown(text, adapter.limits.dialect, adapter.limits.textLength)
  const parts = rendered.slice(0, maxParts).map((part, index) => (index === 0 && buttons.length > 0 ? { ...part, buttons } : part))
  const isByEdit = adapter.limits.edits && (kind === 'question' || delivery.parts.some(({ id }) => id !== ''))
  for (const [index, part] of parts.entries()) {
    const content = isByEdit ? placeholder : part
    const id = await sendOnce(deps, delivery, index, isByEdit, (intent) => adapter.send(chatOf(delivery), content, intent, signal))
    if (isByEdit) await editUntilDone(deps, delivery, () => adapter.edit(chatOf(delivery), id, part, signal))
  }
  const whole = file ?? (rendered.length > maxParts ? { name: 'message.md', text } : null)
  if (whole !== null)
    await upload(deps, delivery, textFilePart, { name: whole.name, type: 'text/plain', bytes: Buffer.from(whole.text), caption: '' })
}

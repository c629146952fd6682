/**
 * Answers to webhooks. What comes in is posted to the gateway and never passes here; what goes out is posted by the guest, under its egress policy.
 * A receiver knows each content by its `webhook-id`, so one whose answer was lost is posted again under the same.
 */
import { isOxbowError, OxbowError } from '../../base/index.ts'
import type { OutputOf } from '../../client/index.ts'
import type { AdapterDeps, ChannelLimits, ChatRef, OpenChannel, Sent } from '../port.ts'

const limits: ChannelLimits = {
  dialect: 'plain',
  textLength: 90_000,
  chatIntervalMs: 200,
  groupPerMinute: Infinity,
  fileBytes: 700_000,
  edits: false,
  buttons: false,
  reconciles: true,
}

/** Pause where a receiver that is busy names none. */
const busyMs = 10_000

/** Options: `url`, where answers go; without it they stay in their sessions. */
export const openWebhook: OpenChannel = async ({ name, options }, { post }: AdapterDeps) => {
  const { url } = options
  const address = url === undefined ? null : URL.parse(url)
  if (address === null && url !== undefined)
    throw new OxbowError('bad_input', 'The address for answers is not a web address.', {
      hint: 'oxbow channel add webhook --option url=https://…',
    })
  const send = async (
    to: ChatRef,
    content: { text: string; file: { name: string; data: string } | null },
    intent: string,
  ): Promise<Sent> => {
    if (address === null || post === undefined) return { ok: true, id: 'session' }
    const id = `oxbow_${intent}`
    try {
      return sentOf(id, await post({ id, chat: to.chat, thread: to.thread, ...content }))
    } catch (error) {
      if (isOxbowError(error, 'denied')) return { ok: false, why: 'refused', message: error.message }
      throw error
    }
  }
  return {
    limits,
    start: async () => ({
      id: name,
      name: address === null ? 'answers stay here' : `answers go to ${address.host}`,
      link: '',
      console: '',
    }),
    send: (to, { plain }, intent) => send(to, { text: plain, file: null }, intent),
    edit: async () => ({ ok: false, why: 'refused', message: 'what was posted cannot be changed' }),
    upload: (to, { name: file, bytes, caption }, intent) =>
      send(to, { text: caption, file: { name: file, data: Buffer.from(bytes).toString('base64') } }, intent),
    // Under the same id it is the same to the receiver.
    find: async () => ({ ok: false, why: 'absent', message: 'it is posted again under the same id' }),
    answerButton: async () => {},
    typing: async () => {},
    close: async () => {},
  }
}

/** How a post has ended. */
function sentOf(id: string, { status, retry_after_s, why }: OutputOf<'channel.post'>): Sent {
  if (status >= 200 && status < 300) return { ok: true, id }
  if (status === 429 || status === 503) return { ok: false, why: 'throttled', retryAfterMs: retry_after_s * 1_000 || busyMs }
  if (status === 404 || status === 410) return { ok: false, why: 'gone', message: `its address answers with ${status}` }
  // Nothing came back, or the receiver failed: it is posted again under the same id.
  if (status === 0 || status >= 500) return { ok: false, why: 'absent', message: why || `its address answers with ${status}` }
  return { ok: false, why: 'refused', message: `its address answers with ${status}` }
}

/** Sends to Slack. Each message has its intent as metadata, by which it is found in the history when its answer was lost. */
import { createHash } from 'node:crypto'
import type { KnownBlock } from '@slack/types'
import { ErrorCode, type WebClient } from '@slack/web-api'
import type { PlatformClock } from '../platform-clock.ts'
import type { ChannelAdapter, ChatRef, OutboundPart, Sent } from '../port.ts'
import { escapeSlack } from '../text/index.ts'
import { sentOf, slackFailure } from './slack-errors.ts'

const eventType = 'oxbow_message'
/** Clocks of Slack and of this machine may differ so much. */
const clockMs = 5 * 60_000
const pageSize = 200
const maxPages = 10

/** The part of the adapter that asks Slack for something. */
export function sendingBy(
  web: WebClient,
  user: () => string,
  clock: PlatformClock,
): Pick<ChannelAdapter, 'send' | 'edit' | 'upload' | 'find'> {
  /** Once more without format where that is refused: nothing was done then. */
  const request = async (work: (isPlain: boolean) => Promise<string>): Promise<Sent> => {
    for (const isPlain of [false, true]) {
      try {
        return { ok: true, id: await work(isPlain) }
      } catch (error) {
        const failure = slackFailure(error)
        if (failure.why !== 'unformatted' || isPlain) return sentOf(failure)
      }
    }
    return { ok: false, why: 'refused', message: 'no format was taken' }
  }
  return {
    send: ({ chat, thread }, part, intent) =>
      request(async (isPlain) => {
        const metadata = { event_type: eventType, event_payload: { intent } }
        const more = { metadata, unfurl_links: false, unfurl_media: false, ...inThread(thread) }
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no message of windows
        return (await web.chat.postMessage({ channel: chat, ...content(part, isPlain), ...more })).ts ?? ''
      }),
    edit: ({ chat }, message, part) =>
      request(async (isPlain) => {
        await web.chat.update({ channel: chat, ts: message, ...content(part, isPlain) })
        return message
      }),
    upload: ({ chat, thread }, { name, bytes, caption }, intent) =>
      request(async () => {
        const { upload_url: address = '', file_id: id = '' } = await web.files.getUploadURLExternal({
          filename: name,
          length: bytes.length,
        })
        const stored = await fetch(address, { method: 'POST', body: new Uint8Array(bytes) })
        if (!stored.ok) throw Object.assign(new Error(), { code: ErrorCode.HTTPError, statusCode: stored.status })
        const comment = caption === '' ? {} : { initial_comment: escapeSlack(caption) }
        // A thread needs its parent by name: without one the types know no `thread_ts`.
        const place = thread === '' ? { channel_id: chat } : { channel_id: chat, thread_ts: thread }
        await web.files.completeUploadExternal({ files: [{ id, title: titleOf(name, intent) }], ...comment, ...place })
        return id
      }),
    async find(chat, intent, near) {
      try {
        return await findIn(web, user(), chat, intent, clock.at(near))
      } catch (error) {
        const failure = slackFailure(error)
        return { ok: false, why: 'unknown', message: 'message' in failure ? failure.message : failure.why }
      }
    },
  }
}

/** A file has no metadata; its title is what the history surely has. The name under which it is stored is without the mark. */
const titleOf = (name: string, intent: string): string => `${name} #${intent.slice(0, 8)}`

const inThread = (thread: string): { readonly thread_ts?: string } => (thread === '' ? {} : { thread_ts: thread })

function content(
  { text, plain, buttons }: OutboundPart,
  isPlain: boolean,
): { readonly text: string; readonly blocks: KnownBlock[]; readonly mrkdwn?: boolean } {
  const shown: KnownBlock[] =
    text === '' ? [] : [{ type: 'section', text: isPlain ? { type: 'plain_text', text: plain, emoji: false } : { type: 'mrkdwn', text } }]
  const rows: KnownBlock[] = (buttons ?? []).map((row) => ({
    type: 'actions',
    elements: row.map(({ label, data }, index) => ({
      type: 'button',
      text: { type: 'plain_text', text: label.slice(0, 75), emoji: true },
      value: data,
      action_id: `${index}:${createHash('sha256').update(data).digest('hex').slice(0, 16)}`,
    })),
  }))
  // What notifications show; Slack reads its formats there as well.
  return { text: escapeSlack(plain), blocks: [...shown, ...rows], mrkdwn: false }
}

/** Looks through all that was said since shortly before. */
async function findIn(web: WebClient, user: string, { chat, thread }: ChatRef, intent: string, near: number): Promise<Sent> {
  const oldest = ((near - clockMs) / 1_000).toFixed(6)
  let cursor = ''
  for (let page = 0; page < maxPages; page += 1) {
    const ask = { channel: chat, oldest, limit: pageSize, include_all_metadata: true, ...(cursor !== '' && { cursor }) }
    const found = thread === '' ? await web.conversations.history(ask) : await web.conversations.replies({ ...ask, ts: thread })
    for (const { ts = '', user: writer, metadata, files = [] } of found.messages ?? []) {
      if (writer !== user) continue
      if (JSON.stringify(metadata?.event_payload ?? {}) === JSON.stringify({ intent })) return { ok: true, id: ts }
      const file = files.find(({ title = '' }) => title.endsWith(titleOf('', intent)))
      if (file !== undefined) return { ok: true, id: file.id ?? ts }
    }
    cursor = found.response_metadata?.next_cursor ?? ''
    if (cursor === '') return { ok: false, why: 'absent', message: 'it is not in the history' }
  }
  return { ok: false, why: 'unknown', message: 'the history is too long' }
}

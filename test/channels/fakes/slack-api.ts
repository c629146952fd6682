/** The methods of Slack's Web API that a bot uses, as docs.slack.dev/reference/methods has them. */
import type { KnownBlock } from '@slack/types'
import { checkBlocks, groupChannel, type Held, me, nextTs, shownText, SlackRefusal, type SlackState, team } from './slack-state.ts'

/** Fields of a request; what is no text comes as JSON. */
export type Form = Readonly<Record<string, string>>

/** Messages to one channel in a second before it is throttled: a short burst is allowed. */
const burst = 10

const sending = new Set(['chat.postMessage', 'chat.update', 'files.completeUploadExternal'])
/** Whether a method shows something to people. */
export const sends = (method: string): boolean => sending.has(method)

/** @returns seconds to wait; 0: it may go on */
export function throttled(state: SlackState, method: string, { channel = '' }: Form): number {
  if (!sends(method)) return 0
  if (state.throttleS > 0) {
    const seconds = state.throttleS
    state.throttleS = 0
    return seconds
  }
  const recent = (state.recent.get(channel) ?? []).filter((at) => Date.now() - at < 1_000)
  state.recent.set(channel, [...recent, Date.now()])
  return recent.length >= burst ? 1 : 0
}

type Method = (state: SlackState, form: Form, root: string) => object

const methods: Readonly<Record<string, Method>> = {
  'auth.test': () => ({ url: 'https://test.slack.com/', team: 'Test', user: me.name, team_id: team, user_id: me.user, bot_id: me.bot }),
  'chat.postMessage': (state, form) => {
    const channel = channelOf(state, form)
    const blocks = blocksOf(form)
    const { text = '', thread_ts: thread = '' } = form
    if (text === '' && blocks.length === 0) throw new SlackRefusal('no_text')
    const held = hold(state, { channel, thread, text, blocks, ...metadataOf(form) })
    return { channel, ts: held.ts, message: shown(held) }
  },
  'chat.update': (state, form) => {
    const channel = channelOf(state, form)
    const held = state.messages.find((each) => each.channel === channel && each.ts === form['ts'])
    if (held === undefined) throw new SlackRefusal('message_not_found')
    if (held.user !== me.user) throw new SlackRefusal('cant_update_message')
    held.text = textOf(form)
    held.blocks = blocksOf(form)
    held.edits += 1
    held.states.push(shownText(held))
    return { channel, ts: held.ts, text: held.text }
  },
  'chat.postEphemeral': (state, form) => {
    const channel = channelOf(state, form)
    const { user = '' } = form
    state.shown.get(`${channel} ${user}`)?.resolve(textOf(form))
    return { message_ts: nextTs(state) }
  },
  'conversations.history': (state, form) => page(state, form, ({ thread, ts }) => thread === '' || thread === ts),
  // Oldest first, unlike a history.
  'conversations.replies': (state, form) => page(state, form, ({ thread, ts }) => thread === form['ts'] || ts === form['ts'], true),
  'users.conversations': (state) => ({
    channels: [...state.channels].map((id) => ({ id, is_im: id.startsWith('D'), is_channel: id === groupChannel, is_mpim: false })),
    response_metadata: { next_cursor: '' },
  }),
  'files.getUploadURLExternal': (state, form, root) => {
    const { filename = '', length = '' } = form
    if (filename === '' || !(Number(length) > 0)) throw new SlackRefusal('invalid_arguments')
    const id = `F${state.files.size + 1}`
    state.files.set(id, { id, name: filename, title: filename, length: Number(length), bytes: null })
    return { upload_url: `${root}/upload/${id}`, file_id: id }
  },
  'files.completeUploadExternal': (state, form) => {
    const channel = channelOf(state, { channel: form['channel_id'] ?? '' })
    const files = (JSON.parse(form['files'] ?? '[]') as { readonly id: string; readonly title?: string }[]).map(({ id, title }) => {
      const file = state.files.get(id)
      if (file === undefined || file.bytes === null) throw new SlackRefusal('file_not_found')
      file.title = title ?? file.name
      return file
    })
    const held = hold(state, { channel, thread: form['thread_ts'] ?? '', text: form['initial_comment'] ?? '', blocks: [], files })
    return { files: held.files.map(({ id, name }) => ({ id, title: name })) }
  },
}

/** @throws SlackRefusal */
export function callMethod(state: SlackState, method: string, form: Form, root: string): object {
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined
  if (found === undefined) throw new SlackRefusal('unknown_method')
  return found(state, form, root)
}

function channelOf(state: SlackState, { channel = '' }: Form): string {
  if (state.removedFrom.has(channel)) throw new SlackRefusal('not_in_channel')
  if (!state.channels.has(channel)) throw new SlackRefusal('channel_not_found')
  return channel
}

function textOf({ text = '' }: Form): string {
  if (text.length > 40_000) throw new SlackRefusal('msg_too_long')
  return text
}

function blocksOf({ blocks = '[]' }: Form): KnownBlock[] {
  const found = JSON.parse(blocks) as KnownBlock[]
  checkBlocks(found)
  return found
}

function metadataOf({ metadata }: Form): { readonly metadata?: object } {
  if (metadata === undefined) return {}
  const found = JSON.parse(metadata) as { event_type?: unknown; event_payload?: unknown }
  if (typeof found.event_type !== 'string' || typeof found.event_payload !== 'object') throw new SlackRefusal('invalid_metadata_format')
  return { metadata: found }
}

/** Keeps a message of ours. */
function hold(
  state: SlackState,
  message: Pick<Held, 'channel' | 'thread' | 'text' | 'blocks'> & Partial<Pick<Held, 'metadata' | 'files'>>,
): Held {
  const held: Held = { ts: nextTs(state), user: me.user, files: [], edits: 0, states: [], ...message }
  held.states.push(shownText(held))
  state.messages.push(held)
  return held
}

/** A message as histories have it. */
export function shown({ ts, user, text, thread, files, blocks }: Held): object {
  const own = user === me.user ? { bot_id: me.bot } : {}
  const kept = files.map(({ id, name, title, length, facts }) => ({ id, name, title, size: length, url_private_download: '', ...facts }))
  return {
    type: 'message',
    ts,
    user,
    text,
    blocks,
    ...own,
    ...(thread !== '' && { thread_ts: thread }),
    ...(kept.length > 0 && { files: kept }),
  }
}

/** In pages, the newest first. */
function page(state: SlackState, form: Form, isIn: (message: Held) => boolean, isOldestFirst = false): object {
  const channel = channelOf(state, form)
  const { oldest = '0', limit = '100', cursor = '0' } = form
  const oldFirst = state.messages.filter((each) => each.channel === channel && isIn(each) && Number(each.ts) > Number(oldest))
  const all = isOldestFirst ? oldFirst : oldFirst.toReversed()
  const end = Number(cursor) + Number(limit)
  const messages = all.slice(Number(cursor), end).map((each) => ({
    ...shown(each),
    ...(form['include_all_metadata'] === 'true' && each.metadata !== undefined && { metadata: each.metadata }),
  }))
  return { messages, has_more: end < all.length, response_metadata: { next_cursor: end < all.length ? String(end) : '' } }
}

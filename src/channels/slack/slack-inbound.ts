/** What Slack delivers, as the port has it. */
import { isObject, ownValue } from '../../base/index.ts'
import type { ButtonPress, InboundFile, InboundMessage } from '../port.ts'

/** The account of the bot. */
export interface Me {
  readonly team: string
  readonly user: string
  readonly bot: string
}

/** Reads a file of Slack by its address. */
export type OpenFile = (address: string) => InboundFile['open']

/** Of a message, what is read here: docs.slack.dev/reference/events/message. */
export interface SlackMessage {
  readonly ts?: string
  readonly channel?: string
  readonly channel_type?: string
  readonly thread_ts?: string
  readonly parent_user_id?: string
  readonly user?: string
  readonly bot_id?: string
  readonly subtype?: string
  readonly text?: string
  readonly edited?: { readonly ts?: string }
  readonly files?: readonly SlackFile[]
  readonly attachments?: readonly { readonly is_msg_unfurl?: boolean; readonly text?: string }[]
  /** Of `message_changed`. */
  readonly message?: SlackMessage
  /** Of `message_deleted`. */
  readonly deleted_ts?: string
  readonly previous_message?: SlackMessage
}

interface SlackFile {
  readonly name?: string
  readonly size?: number
  /** `slack_audio`: a clip that was recorded for the message. */
  readonly subtype?: string
  readonly mimetype?: string
  readonly url_private_download?: string
  readonly url_private?: string
}

/** Subtypes that a person writes. All others are news of the workspace, such as a new member. */
const written: ReadonlySet<string> = new Set(['', 'file_share', 'thread_broadcast', 'me_message'])

/** @param message of an event or of a history @returns null for what no person has written */
export function messageOf(message: SlackMessage, me: Me, open: OpenFile): InboundMessage | null {
  const { channel = '', subtype = '' } = message
  if (subtype === 'message_deleted') {
    const before = message.previous_message ?? {}
    return before.user === undefined || before.user === me.user
      ? null
      : { ...read({ ...before, channel, ts: message.deleted_ts ?? '', text: '' }, message, me, open), change: 'deleted' }
  }
  if (subtype === 'message_changed') {
    const now = message.message ?? {}
    // Without `edited` Slack has only added a preview.
    const isEdited = now.edited !== undefined && now.user !== undefined && now.user !== me.user
    if (!isEdited) return null
    return { ...read({ ...now, channel }, message, me, open), change: 'edited', revision: now.edited?.ts ?? '' }
  }
  if (!written.has(subtype) || message.user === undefined || message.user === me.user || message.bot_id === me.bot) return null
  const found = read(message, message, me, open)
  return found.text === '' && found.files.length === 0 && found.quoted.length === 0 ? null : found
}

function read(message: SlackMessage, event: SlackMessage, me: Me, open: OpenFile): InboundMessage {
  const { channel = '', ts = '', thread_ts: thread, user = '', text = '' } = message
  return {
    space: me.team,
    chat: channel,
    // The first message of a thread is in the channel.
    thread: thread === undefined || thread === ts ? '' : thread,
    message: ts,
    sender: { id: user, shown: user, isBot: message.bot_id !== undefined },
    at: Math.floor(Number(ts) * 1_000) || 0,
    text: plainText(text, me),
    kind: isDirect(channel, event.channel_type) ? 'direct' : 'group',
    change: 'new',
    mentionsUs: text.includes(`<@${me.user}>`) || text.includes(`<@${me.user}|`),
    repliesToUs: message.parent_user_id === me.user,
    quoted: (message.attachments ?? []).flatMap((each) => (each.is_msg_unfurl === true && each.text ? [plainText(each.text, me)] : [])),
    files: (message.files ?? []).flatMap(({ name = 'file', size = 0, ...file }) => {
      const address = file.url_private_download ?? file.url_private
      return address === undefined ? [] : [{ name, bytes: size, open: open(address), ...speechIn(file) }]
    }),
    isVerified: true,
  }
}

function speechIn({ subtype, mimetype }: SlackFile): Pick<InboundFile, 'speech'> {
  if (subtype === 'slack_audio') return { speech: 'own' }
  return mimetype?.startsWith('audio/') === true ? { speech: 'others' } : {}
}

const isDirect = (channel: string, type: string | undefined): boolean => (type === undefined ? channel.startsWith('D') : type === 'im')

/** @returns as people see it; that we are addressed at its beginning is not part of what is said */
function plainText(text: string, me: Me): string {
  return text
    .replace(new RegExp(`^\\s*<@${me.user}(?:\\|[^>]*)?>[,:]?\\s*`), '')
    .replaceAll(/<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>/g, (_, sign: string, target: string, shown: string | undefined) => {
      if (sign === '#' || sign === '@') return `${sign}${shown ?? target}`
      if (sign === '!') return shown ?? `@${target}`
      return shown === undefined || shown === target ? target : `${shown} (${target})`
    })
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}

/** A command of the menu: `/oxbow new` is `/new`. @returns null for any other text */
export function commandOf(body: unknown, me: Me): InboundMessage | null {
  if (!isObject(body) || typeof body['command'] !== 'string') return null
  const field = (name: string): string => {
    const value = ownValue(body, name)
    return typeof value === 'string' ? value : ''
  }
  const words = field('text').trim().replace(/^\//, '')
  return {
    space: me.team,
    chat: field('channel_id'),
    thread: '',
    message: `command:${field('trigger_id')}`,
    sender: { id: field('user_id'), shown: field('user_name'), isBot: false },
    at: 0,
    text: `/${words === '' ? 'help' : words}`,
    kind: isDirect(field('channel_id'), undefined) ? 'direct' : 'group',
    change: 'new',
    mentionsUs: true,
    repliesToUs: false,
    quoted: [],
    files: [],
    isVerified: true,
  }
}

interface Pressed {
  readonly type?: string
  readonly user?: { readonly id?: string; readonly name?: string }
  readonly channel?: { readonly id?: string }
  readonly message?: SlackMessage
  readonly trigger_id?: string
  readonly actions?: readonly { readonly value?: string; readonly action_ts?: string }[]
}

/** @returns null for what is no button below a message */
export function pressOf(body: unknown, me: Me): ButtonPress | null {
  const { type, user, channel, message, actions, trigger_id: trigger = '' } = (isObject(body) ? body : {}) as Pressed
  const [{ value: data, action_ts: at = trigger } = {}] = actions ?? []
  if (type !== 'block_actions' || user?.id === undefined || channel?.id === undefined || message?.ts === undefined || data === undefined)
    return null
  const thread = message.thread_ts === undefined || message.thread_ts === message.ts ? '' : message.thread_ts
  return {
    space: me.team,
    chat: channel.id,
    thread,
    // All that a private answer needs, so that nothing must be remembered; and when it was, so that no press is taken for another.
    press: JSON.stringify([channel.id, user.id, thread, at]),
    message: message.ts,
    sender: { id: user.id, shown: user.name ?? user.id, isBot: false },
    data,
  }
}

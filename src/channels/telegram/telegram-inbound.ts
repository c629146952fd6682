/** What Telegram delivers, as the port has it. */
import type { Chat, File, Message, MessageEntity, Update, User } from 'grammy/types'
import type { ButtonPress, ChatRef, InboundFile, InboundMessage, Sender } from '../port.ts'

/** The account of the bot. */
export type Me = Pick<User, 'id' | 'username'>

/** Reads a file of Telegram by its id. */
export type OpenFile = (id: string) => InboundFile['open']

/** Of updates, those that an adapter asks for. */
export const wantedUpdates = ['message', 'edited_message', 'callback_query'] as const

/** @returns a chat as Telegram has it; a topic of a forum is a thread */
function chatOf(message: Pick<Message, 'chat' | 'message_thread_id' | 'is_topic_message'>): ChatRef {
  const topic = message.is_topic_message === true ? String(message.message_thread_id ?? '') : ''
  return { space: '', chat: String(message.chat.id), thread: topic }
}

/** @returns null for what is no message of a person, such as a new member of a group */
export function messageOf(update: Update, me: Me, open: OpenFile): InboundMessage | null {
  const message = update.message ?? update.edited_message
  if (message === undefined) return null
  const written = message.text ?? message.caption ?? ''
  const files = filesOf(message, open)
  if (written === '' && files.length === 0) return null
  if (isForOtherBot(written, me)) return null
  const entities = message.entities ?? message.caption_entities ?? []
  // What another bot has made, and what a message says that is passed on, are words of others.
  const isForwarded = message.forward_origin !== undefined || message.via_bot !== undefined
  const answered = message.reply_to_message
  const repliesToUs = answered?.from?.id === me.id
  return {
    ...chatOf(message),
    message: String(message.message_id),
    sender: senderOf(message),
    at: message.date * 1_000,
    text: isForwarded ? '' : written,
    kind: isDirect(message.chat) ? 'direct' : 'group',
    change: update.message === undefined ? 'edited' : 'new',
    revision: update.message === undefined ? String(update.update_id) : '',
    mentionsUs: entities.some((entity) => namesUs(entity, written, me)),
    repliesToUs,
    quoted: [
      ...(isForwarded ? [written] : []),
      ...quotedIn(message.quote?.text, repliesToUs ? undefined : (answered?.text ?? answered?.caption)),
    ],
    files,
    isVerified: true,
  }
}

/** `/new@other_bot` in a group where several bots are. */
function isForOtherBot(text: string, { username = '' }: Me): boolean {
  const [, name] = /^\/\w+@(\w+)/.exec(text) ?? []
  return name !== undefined && name.toLowerCase() !== username.toLowerCase()
}

/** @returns null for a button that is not below a message of a chat */
export function pressOf({ callback_query: query }: Update): ButtonPress | null {
  const message = query?.message
  if (query?.data === undefined || message === undefined) return null
  return {
    ...('date' in message && message.date !== 0 ? chatOf(message) : { space: '', chat: String(message.chat.id), thread: '' }),
    press: query.id,
    message: String(message.message_id),
    sender: personOf(query.from),
    data: query.data,
  }
}

/** @returns the new id of a group that has become a larger one; null: it has not */
export function movedChat({ message }: Update): { readonly from: ChatRef; readonly to: ChatRef } | null {
  const to = message?.migrate_to_chat_id
  if (message === undefined || to === undefined) return null
  const from = chatOf(message)
  return { from, to: { ...from, chat: String(to) } }
}

const isDirect = (chat: Chat): boolean => chat.type === 'private'

const quotedIn = (...texts: readonly (string | undefined)[]): readonly string[] => texts.flatMap((text) => (text ? [text] : []))

/** Who writes as a group or a channel is no person. */
function senderOf({ from, sender_chat: chat, chat: place }: Message): Sender {
  if (chat !== undefined) return { id: `chat:${chat.id}`, shown: 'title' in chat ? (chat.title ?? '') : '', isBot: false }
  return from === undefined ? { id: `chat:${place.id}`, shown: '', isBot: false } : personOf(from)
}

function personOf({ id, first_name: first, last_name: last = '', username, is_bot: isBot }: User): Sender {
  const name = `${first} ${last}`.trim()
  return { id: String(id), shown: username === undefined ? name : `${name} (@${username})`, isBot }
}

function namesUs({ type, offset, length, ...entity }: MessageEntity, text: string, me: Me): boolean {
  if (type === 'text_mention') return (entity as { user?: User }).user?.id === me.id
  const name = `@${me.username ?? ''}`.toLowerCase()
  const part = text.slice(offset, offset + length).toLowerCase()
  return (type === 'mention' && part === name) || (type === 'bot_command' && part.endsWith(name))
}

type Sized = Pick<File, 'file_id' | 'file_size'> & { readonly file_name?: string }

function filesOf(message: Message, open: OpenFile): readonly InboundFile[] {
  const file = (found: Sized | undefined, fallback: string, speech?: InboundFile['speech']): readonly InboundFile[] => {
    if (found === undefined) return []
    const { file_name: name = fallback, file_size: bytes = 0, file_id: id } = found
    return [{ name, bytes, open: open(id), ...(speech !== undefined && { speech }) }]
  }
  // An animation comes as a document, too.
  const document = message.animation === undefined ? message.document : undefined
  return [
    ...file(message.photo?.at(-1), 'photo.jpg'),
    ...file(document, 'document'),
    ...file(message.animation, 'animation.mp4'),
    ...file(message.audio, 'audio.mp3', 'others'),
    ...file(message.voice, 'voice.ogg', message.forward_origin === undefined ? 'own' : 'others'),
    ...file(message.video, 'video.mp4'),
    ...file(message.video_note, 'video-note.mp4'),
  ]
}

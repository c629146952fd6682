/** What is kept of channels: documents of the journal, and the ids that follow from what a platform says. */
import { createHash } from 'node:crypto'
import type { DocumentChange } from '../../kernel/index.ts'
import { type CallId, derivedId, type SessionId, truncate, type TurnId } from '../../base/index.ts'
import type { Spend, TurnSource } from '../../protocol/index.ts'
import type { Account, Delivery, KeptPieces, Role } from './channel-schemas.ts'

/** A configured channel. */
export interface ChannelDoc {
  readonly name: string
  readonly kind: string
  readonly options: Readonly<Record<string, string>>
  /** Names of its secrets, whose values are sealed. */
  readonly secrets: readonly string[]
  readonly state: 'on' | 'paused'
  readonly added_at: number
  /** As its platform has it; null: it was never connected. */
  readonly self: Account | null
}

/** How a channel is now. */
export interface ChannelHealth {
  /** `failed`: it is not tried again before something changes. */
  readonly state: 'starting' | 'up' | 'down' | 'failed'
  readonly why: string
  readonly since: number
}

/** A code by which somebody becomes an identity. Of a stranger's code, who has it is known. */
export interface Pairing {
  readonly channel: string
  readonly role: Role
  readonly expires_at: number
  /** SHA-256 of what is in the link, and of the code to type. */
  readonly link: string
  readonly code: string
  /** A stranger to whom the code was shown, for the owner to confirm. */
  readonly stranger?: { readonly space: string; readonly sender: string; readonly shown: string; readonly chat: string }
}

/** A message that waits for its turn, or has it. */
export interface Waiting {
  readonly turn: TurnId
  readonly message: string
  readonly identity: string
  readonly shown: string
  readonly role: Role
  readonly text: string
  readonly quoted: readonly string[]
  readonly files: readonly KeptPieces[]
  readonly at: number
  /** By which is decided whether it is answered. */
  readonly source: TurnSource
}

/** Something said in a group that was not for the agent. */
export interface Heard {
  readonly message: string
  readonly sender: string
  readonly shown: string
  readonly text: string
}

/** What has become of an earlier message; null: deleted. */
interface Hint {
  readonly by: Role
  readonly words: string | null
}

/** The message that has its turn, with what its turn is told besides. */
export interface Running extends Waiting {
  /** The answer is on its way. */
  readonly delivery: boolean
  /** What became of its audio: it was heard, and the sender has spoken to the agent, or not; or it was stopped. Absent: it waits to be heard. */
  readonly heard_audio?: 'spoken' | 'other' | 'stopped'
  readonly session: SessionId
  readonly hints: readonly Hint[]
  readonly heard: readonly Heard[]
  /** What the session had spent before; null: nobody counts it. */
  readonly spent: Spend | null
}

/** Whether a message has audio that is heard before its turn begins. */
export const waitsToBeHeard = ({ files, heard_audio: heard }: Running): boolean =>
  heard === undefined && files.some(({ speech }) => speech !== undefined)

/** A chat, topic or thread: it is a session. */
export interface ChatDoc {
  readonly channel: string
  readonly space: string
  readonly chat: string
  readonly thread: string
  readonly kind: 'direct' | 'group'
  readonly session: SessionId
  /** Of a direct chat, the identity whose message was the last; empty: none yet. */
  readonly person: string
  /** Empty: the usual one. */
  readonly model: string
  /** Nothing but answers comes here. */
  readonly quiet: boolean
  /** Whether answers are spoken; absent, as `auto`: when the message was. */
  readonly voice?: 'on' | 'off' | 'auto'
  readonly running: Running | null
  readonly queue: readonly Waiting[]
  /** Messages whose turns have begun, and that were changed since. */
  readonly hints: readonly Hint[]
  /** In a group that is read, what was said since the last turn, the newest last. */
  readonly heard: readonly Heard[]
  /** Its earlier sessions, the newest last: what was made in one of them still reports here. */
  readonly past: readonly SessionId[]
  /** Ids of messages that were taken in, the newest last. */
  readonly recent: readonly string[]
}

/** What a button means, by its 16 random bytes. */
export interface AskDoc {
  readonly kind: 'approval' | 'lost'
  readonly channel: string
  readonly space: string
  readonly chat: string
  /** The message that has the button; empty until that is known. */
  readonly message: string
  /** Who may press it; empty: any owner and approver. */
  readonly identity: string
  readonly delivery: string
  readonly call: CallId | ''
  /** Digest of what is asked. */
  readonly question: string
  readonly name: string
  readonly input: string
  readonly decided: { readonly by: string; readonly allow: boolean; readonly at: number } | null
}

/** Categories of documents. */
export const channelCategory = 'system/channels'
export const identityCategory = 'system/channel_identities'
export const pairingCategory = 'system/channel_pairings'
export const chatCategory = 'system/channel_chats'
export const outboxCategory = 'system/channel_outbox'
/** Deliveries that have ended. */
export const deliveredCategory = 'system/channel_delivered'
export const askCategory = 'system/channel_asks'
/** What each identity has spent today. */
export const spendingCategory = 'system/channel_spending'
/** When each sender's messages of late came. */
export const rateCategory = 'system/channel_rates'
/** Messages that were too old to be answered. */
export const missedCategory = 'system/channel_missed'
/** Notices that wait for their place, or for the end of quiet hours. */
export const noticeCategory = 'system/channel_notices'
/** Answers with private data that wait until the owner lets others read them. */
export const releaseCategory = 'system/channel_releases'

/** The call by which an answer with private data reaches others: the owner is asked. */
export const answerCall = 'channel.answer'

/** The one sender that a webhook has. */
export const webhookSender = 'webhook'

/** The right of the process of channels, and no other program's. */
export const processRight = 'channel.use'
/** Changes channels and identities: what it allows lets others speak to the person's agent. */
export const manageRight = 'channel.write'
export const readRight = 'channel.read'

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** @returns the id of a message's turn: a UUID that follows from what the platform says, so that a second delivery is the same turn */
export function turnOf(channel: string, space: string, chat: string, message: string): TurnId {
  const digest = hashOf(['channel message', channel, space, chat, message].join('\n'))
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}` as TurnId
}

/** A chat by the name of its document. */
export const chatId = ({ channel, space, chat, thread }: Pick<ChatDoc, 'channel' | 'space' | 'chat' | 'thread'>): string =>
  derivedId('channel chat', channel, space, chat, thread)

/** Names and handles are no part of it. */
export const identityId = (channel: string, space: string, sender: string): string =>
  hashOf(['identity', channel, space, sender].join('\n')).slice(0, 16)

/** The handle under which a secret of a channel is known. */
export const secretName = (channel: string, secret: string): string => `channel.${channel}.${secret}`

export const change = (category: string, name: string, value: unknown): DocumentChange => ({ category, name, value })

/** @returns a name as people are shown it, without signs that cannot be seen or change what stands next to them */
export const shownOf = (shown: string): string => truncate(shown.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ''), 80)

/** What somebody hears who is linked now. */
export const linkedText = (role: Role): string => `You are linked as ${role}. Write me what you want; /help lists what can be said.`

/** A delivery that has not begun. */
export function newDelivery(
  id: string,
  of: Pick<Delivery, 'channel' | 'space' | 'chat' | 'thread' | 'kind' | 'made_at'> & Partial<Delivery>,
): Delivery {
  return {
    session: '',
    turn: '',
    cursor: 0,
    text: '',
    file: null,
    buttons: [],
    reply_to: '',
    guarded: false,
    spoken: false,
    parts: [],
    state: 'open',
    why: '',
    ended_at: 0,
    ...of,
    id,
  }
}

/**
 * The port of a channel: what an adapter of a platform does for the process of channels. An adapter knows its platform and nothing else: who
 * may speak, which session a chat is, what a command means and what is sent are decided in the guest. It keeps nothing on disk. Whatever it
 * receives is hostile.
 *
 * Its contract is `channel-contract.ts`, which each adapter runs against a fake server of its platform.
 */
import type { JsonObject, Random } from '../base/index.ts'
import type { InputOf, OutputOf } from '../client/index.ts'
import type { ChannelSettings } from '../config/index.ts'
import type { TextDialect } from './text/index.ts'

export type { ChannelSettings } from '../config/index.ts'

/** Where something is said. */
export interface ChatRef {
  /** Workspace, guild or domain in which ids are unique; empty where the platform has none. */
  readonly space: string
  readonly chat: string
  /** Topic or thread; empty: the chat itself. */
  readonly thread: string
}

/** Who speaks. Only the id, within its space, is an identity. */
export interface Sender {
  readonly id: string
  /** For people to read; anybody can choose any name. */
  readonly shown: string
  readonly isBot: boolean
}

/** A file that somebody sent. Nothing of it is read until `open`. */
export interface InboundFile {
  /** As the sender names it. */
  readonly name: string
  /** As the platform says; 0: it does not say. Never believed. */
  readonly bytes: number
  /**
   * Speech, which is heard before it runs: `own` was recorded by the sender for this message; `others` was passed on, or is any audio file.
   * Absent: a file as any other.
   */
  readonly speech?: 'own' | 'others'
  /** @throws OxbowError `limit_reached` once it has more than `maxBytes`, or what the platform fails with */
  open(maxBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** A message, or what has become of one. */
export interface InboundMessage extends ChatRef {
  /** Of the platform, the same in each delivery. */
  readonly message: string
  readonly sender: Sender
  /** When it was sent, unix milliseconds, as the platform says. */
  readonly at: number
  /** What the sender wrote; of an edited one what it says now. */
  readonly text: string
  readonly kind: 'direct' | 'group'
  /** `edited` and `deleted` name an earlier message. */
  readonly change: 'new' | 'edited' | 'deleted'
  /** Of an edited one, what tells this edit from the others, such as its time: a text can come again. */
  readonly revision?: string
  readonly mentionsUs: boolean
  readonly repliesToUs: boolean
  /** Words of others within the message: quoted, or forwarded. */
  readonly quoted: readonly string[]
  readonly files: readonly InboundFile[]
  /** Whether the platform vouches for the sender, as all but e-mail do. */
  readonly isVerified: boolean
  /** Absent or empty: the text says what is wanted. Otherwise why nobody is to answer it, such as `list` or `auto_reply`. */
  readonly automatic?: string
}

/** A button that was pressed. */
export interface ButtonPress extends ChatRef {
  /** What `answerButton` answers. */
  readonly press: string
  readonly message: string
  readonly sender: Sender
  /** As the button had it. */
  readonly data: string
}

/**
 * What an adapter tells: what is said in one chat in its order, different chats side by side (`intake.ts`). Each may come twice. A promise that
 * rejects means that it was not taken: it must be told again, before what follows in its chat.
 */
export interface ChannelEvents {
  /** Resolves when the message is in the journal: only then may the platform be told that it has arrived. */
  message(message: InboundMessage): Promise<void>
  /** Resolves when the press was judged; its answer comes by `answerButton`. */
  press(press: ButtonPress): Promise<void>
  /** A chat has another id from now on. Told when everything before it is taken, and taken before anything under the new id is told. */
  moved(from: ChatRef, to: ChatRef): Promise<void>
  /** The connection is lost. `retryMs`: the pause before the adapter tries again; Infinity: only a person can help, and it has stopped. */
  down(why: string, retryMs: number): void
  /** It is back. */
  up(): void
}

/** A button below a message. */
export interface Button {
  readonly label: string
  /** At most 64 bytes. */
  readonly data: string
}

/** One message to send. */
export interface OutboundPart {
  /** In the dialect of the platform, within its limit. */
  readonly text: string
  /** The same without format, which is sent where the platform refuses the format. */
  readonly plain: string
  /** Of an e-mail. */
  readonly html?: string
  /** In rows. */
  readonly buttons?: readonly (readonly Button[])[]
  /** The message that it answers, where the platform shows that. */
  readonly replyTo?: string
}

/** A file to send. */
interface OutboundFile {
  readonly name: string
  /** The media type, as its bytes say. */
  readonly type: string
  readonly bytes: Uint8Array
  /** Text without format, at most 1 000 characters; empty: none. */
  readonly caption: string
  /** It is a message that is heard, where the platform has these. */
  readonly voice?: true
}

/**
 * How a request to the platform ended. `throttled`: nothing was done, try after that time. `absent`: it has surely not arrived.
 * `unknown`: it may have. `gone`: the chat, message or our access to it is not there any more. `refused`: it never will be done.
 * `revoked`: the platform does not take our token any more.
 */
export type Sent =
  | { readonly ok: true; readonly id: string }
  | { readonly ok: false; readonly why: 'throttled'; readonly retryAfterMs: number }
  | { readonly ok: false; readonly why: 'absent' | 'unknown' | 'gone' | 'refused' | 'revoked'; readonly message: string }

/** Facts of a platform. */
export interface ChannelLimits {
  /** How its messages are written: what `OutboundPart.text` is in. */
  readonly dialect: TextDialect
  /** UTF-16 units of one message. */
  readonly textLength: number
  /** Least milliseconds between two messages, or edits, in a chat. */
  readonly chatIntervalMs: number
  /** Messages in a minute in one group; Infinity: no such limit. */
  readonly groupPerMinute: number
  /** Most bytes of a file that is sent. What comes in is stopped at `maxFileBytes` of `limits.ts`. */
  readonly fileBytes: number
  /** A reply can be shown while it is written. */
  readonly edits: boolean
  readonly buttons: boolean
  /** Whether `find` can tell that an intent has not arrived. False: a reply is a placeholder first, and its content comes by edits. */
  readonly reconciles: boolean
}

/**
 * What an adapter is on its platform, and what the person must still do there. `CODE` in the link, by which people come to it, is replaced by a
 * code; `console` is for the console of the platform: a manifest, an invite link.
 */
export type ChannelSelf = NonNullable<InputOf<'channel.say'>['self']>

/** A command that the platform offers in its menu. */
export interface MenuCommand {
  /** Without the slash. */
  readonly name: string
  readonly summary: string
}

/** One connection to one account of a platform. */
export interface ChannelAdapter {
  readonly limits: ChannelLimits
  /**
   * Tries the token, and receives from then on, until the signal. Resolves with the first connection, or rejects; later it connects again
   * by itself, and says so by `down` and `up`.
   * @throws OxbowError `unauthenticated` for a token that is refused, `bad_config` for what a person must change on the platform,
   * `workspace_busy` where another program has this account
   */
  start(events: ChannelEvents, menu: readonly MenuCommand[], signal: AbortSignal): Promise<ChannelSelf>
  /**
   * Makes one try, without waiting for a rate: `pacing.ts` does that. Whatever is thrown counts as `unknown`.
   * @param intent 32 hexadecimal digits that go along, where the platform keeps them, and by which `find` finds it
   */
  send(chat: ChatRef, part: OutboundPart, intent: string, signal: AbortSignal): Promise<Sent>
  /** Replaces the whole message with its buttons; repeating it harms nothing. `refused` where `limits.edits` is false. */
  edit(chat: ChatRef, message: string, part: OutboundPart, signal: AbortSignal): Promise<Sent>
  /** As `send`, for a file. */
  upload(chat: ChatRef, file: OutboundFile, intent: string, signal: AbortSignal): Promise<Sent>
  /** Looks for what may have been sent. @param near when, unix milliseconds. `unknown`: the platform cannot tell */
  find(chat: ChatRef, intent: string, near: number, signal: AbortSignal): Promise<Sent>
  /** Shows a text to the one who pressed, and to nobody else. Empty: it only ends the waiting sign. Never rejects. */
  answerButton(press: string, text: string): Promise<void>
  /** Shows that an answer is being written, where the platform has that. Never rejects. */
  typing(chat: ChatRef): Promise<void>
  /** Ends all that is under way. */
  close(): Promise<void>
}

/** A chat that the guest knows. */
export interface KnownChat extends ChatRef {
  readonly kind: 'direct' | 'group'
}

/** Where something may have been said while nothing ran, though the platform lists no such place. */
interface KnownPlaces {
  /** The newest first. */
  readonly chats: readonly KnownChat[]
  /** Ids of people who are linked. */
  readonly people: readonly string[]
}

/** What an adapter gets besides its settings. */
export interface AdapterDeps {
  readonly random: Random
  /** Absent: nothing is known. */
  readonly places?: () => Promise<KnownPlaces>
  /** Ids, counts and reasons; never tokens, and never what people said. */
  readonly log: (message: string, fields?: JsonObject) => void
  /** Has the guest post to the address of a webhook. @throws OxbowError `denied` where its egress policy forbids that */
  readonly post?: (content: Omit<InputOf<'channel.post'>, 'channel'>) => Promise<OutputOf<'channel.post'>>
}

/** How a kind of channel is opened. Its library is loaded then. @throws OxbowError `bad_input` for settings that cannot be used */
export type OpenChannel = (settings: ChannelSettings, deps: AdapterDeps) => Promise<ChannelAdapter>

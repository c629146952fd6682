/** What Discord delivers, as the port has it. A thread is a channel of its own there, and so a session of its own here. */
import { type APIMessage, type APIUser, MessageFlags, MessageType } from 'discord-api-types/v10'
import { fetchFile, unreadable, upTo } from '../inbound-files.ts'
import type { ChatRef, InboundFile, InboundMessage, Sender } from '../port.ts'

/** A message as the gateway or a history has it; of an edited one only what has changed is sure to be there. */
export type DiscordMessage = Pick<APIMessage, 'id' | 'channel_id'> & Partial<APIMessage> & { readonly guild_id?: string }

/** Ids are unique in all of Discord. */
export const chatOf = (channel: string): ChatRef => ({ space: '', chat: channel, thread: '' })

const written: ReadonlySet<MessageType | undefined> = new Set([MessageType.Default, MessageType.Reply, undefined])

/** @param isDirect whether the channel is one of two people @returns null for what no person has written */
export function messageOf(
  message: DiscordMessage,
  change: 'new' | 'edited',
  isDirect: boolean,
  me: string,
  files: FileHosts,
): InboundMessage | null {
  const { author, content, mentions = [], type, attachments = [] } = message
  if (author === undefined || author.id === me || message.webhook_id !== undefined || !written.has(type)) return null
  // Without this time Discord has only added a preview.
  if (change === 'edited' && (content === undefined || !message.edited_timestamp)) return null
  const answered = message.referenced_message ?? undefined
  const repliesToUs = answered?.author.id === me
  const quoted = [
    ...(answered !== undefined && !repliesToUs && answered.content !== '' ? [answered.content] : []),
    ...(message.message_snapshots ?? []).map((each) => each.message.content).filter((text) => text !== ''),
  ]
  const text = plainText(content ?? '', mentions, me)
  const isVoice = ((message.flags ?? 0) & MessageFlags.IsVoiceMessage) !== 0
  const found = attachments.map(({ filename: name, size: bytes, url, content_type: kind }) => ({
    name,
    bytes,
    open: fileOpener(url, files),
    ...(isVoice ? { speech: 'own' as const } : kind?.startsWith('audio/') === true && { speech: 'others' as const }),
  }))
  if (text === '' && found.length === 0 && quoted.length === 0) return null
  return {
    ...chatOf(message.channel_id),
    message: message.id,
    sender: senderOf(author),
    at: timeOf(message.id),
    text,
    kind: isDirect ? 'direct' : 'group',
    change,
    revision: message.edited_timestamp ?? '',
    mentionsUs: mentions.some(({ id }) => id === me),
    repliesToUs,
    quoted,
    files: found,
    isVerified: true,
  }
}

/** A person, by an id that nobody else has. */
export const senderOf = ({ id, username, global_name: shown, bot = false }: APIUser): Sender => ({
  id,
  shown: shown === null || shown === undefined ? username : `${shown} (@${username})`,
  isBot: bot,
})

/** @returns as people see it; that we are addressed at its beginning is not part of what is said */
function plainText(content: string, mentions: readonly APIUser[], me: string): string {
  const names = new Map(mentions.map(({ id, username }) => [id, username]))
  return content
    .replace(new RegExp(`^\\s*<@!?${me}>[,:]?\\s*`), '')
    .replaceAll(/<@!?(\d+)>/g, (whole, id: string) => (names.has(id) ? `@${names.get(id)}` : whole))
    .replaceAll(/<a?(:\w+:)\d+>/g, '$1')
}

const epochMs = 1_420_070_400_000n

/** When an id was made: discord.com/developers/docs/reference#snowflakes. */
export const timeOf = (id: string): number => Number((BigInt(id) >> 22n) + epochMs)
/** @returns the least id of that time */
export const idAt = (ms: number): string =>
  (BigInt(Math.max(0, Math.floor(ms))) - epochMs) << 22n > 0n ? String((BigInt(Math.floor(ms)) - epochMs) << 22n) : '0'

/** Where files may be read from. */
export type FileHosts = ReadonlySet<string>
/** Of Discord itself. */
export const discordHosts: readonly string[] = ['cdn.discordapp.com', 'media.discordapp.net']

function fileOpener(address: string, hosts: FileHosts): InboundFile['open'] {
  return async function* (maxBytes, signal) {
    const url = URL.parse(address)
    if (url === null || !hosts.has(url.host)) throw unreadable('Discord', 'its address is not one of Discord')
    yield* upTo(maxBytes, (await fetchFile('Discord', url, signal)).body)
  }
}

/**
 * What was said while nothing was connected: in each channel all since the bot itself has said something there, at most a day. The library
 * continues a session that was cut, so this is for a new one. Channels of two people are known once something was said in them.
 */
import type { REST } from '@discordjs/rest'
import { type APIChannel, type APIMessage, ChannelType, type RESTAPIPartialCurrentUserGuild, Routes } from 'discord-api-types/v10'
import { discordFailure } from './discord-errors.ts'
import { idAt } from './discord-inbound.ts'

const dayMs = 24 * 60 * 60_000
/** Channels whose history is read: more would take minutes. */
const maxChannels = 50
const pageSize = 100
const maxPages = 10

/** A message that was missed. */
export interface Missed {
  readonly message: APIMessage
  readonly isDirect: boolean
}

/** In each channel the oldest first. @param direct channels of two people @throws what the library throws */
export async function* missedMessages(
  rest: REST,
  me: string,
  direct: Iterable<string>,
  now: number,
  signal: AbortSignal,
): AsyncGenerator<Missed> {
  const oldest = idAt(now - dayMs)
  const groups = await groupChannels(rest, oldest, signal)
  const all = [...[...direct].map((id) => ({ id, isDirect: true })), ...groups.map((id) => ({ id, isDirect: false }))]
  for (const { id, isDirect } of all.slice(0, maxChannels)) {
    try {
      for (const message of await since(rest, me, id, oldest, signal)) yield { message, isDirect }
    } catch (error) {
      // A channel that the bot cannot see is not its own.
      if (discordFailure(error).why !== 'gone') throw error
    }
  }
}

/** @returns channels of servers in which something was said since */
async function groupChannels(rest: REST, oldest: string, signal: AbortSignal): Promise<readonly string[]> {
  const guilds = (await rest.get(Routes.userGuilds(), { signal })) as RESTAPIPartialCurrentUserGuild[]
  const found: string[] = []
  for (const { id } of guilds) {
    const channels = (await rest.get(Routes.guildChannels(id), { signal })) as APIChannel[]
    for (const channel of channels)
      if (channel.type === ChannelType.GuildText && BigInt(channel.last_message_id ?? '0') > BigInt(oldest)) found.push(channel.id)
    if (found.length >= maxChannels) break
  }
  return found
}

/** @returns what is newer than the last message of ours, oldest first */
async function since(rest: REST, me: string, channel: string, oldest: string, signal: AbortSignal): Promise<readonly APIMessage[]> {
  const found: APIMessage[] = []
  let before = ''
  for (let page = 0; page < maxPages; page += 1) {
    const query = new URLSearchParams({ limit: String(pageSize), ...(before !== '' && { before }) })
    const messages = (await rest.get(Routes.channelMessages(channel), { query, signal })) as APIMessage[]
    for (const message of messages) {
      if (message.author.id === me || BigInt(message.id) <= BigInt(oldest)) return found.toReversed()
      found.push(message)
    }
    if (messages.length < pageSize) break
    before = messages.at(-1)!.id
  }
  return found.toReversed()
}

/**
 * What was said while nothing was connected: in each channel all since the bot itself has said something there, at most a week. The library
 * continues a session that was cut, so this is for a new one. Discord does not list channels of two people: those that are known are looked at.
 */
import type { REST } from '@discordjs/rest'
import { type APIChannel, type APIMessage, ChannelType, type RESTAPIPartialCurrentUserGuild, Routes } from 'discord-api-types/v10'
import { pauseFor } from '../retries.ts'
import { discordFailure } from './discord-errors.ts'
import { idAt, timeOf } from './discord-inbound.ts'

/** Channels of servers whose history is read: more would take minutes. */
const maxChannels = 50
const pageSize = 100
const maxPages = 10
/** What was said shortly before our last word may not have been taken in when this process ended. */
const overlapMs = 2 * 60_000

/** A message that was missed. */
export interface Missed {
  readonly message: APIMessage
  readonly isDirect: boolean
}

/** A channel whose history is read. */
export interface KnownChannel {
  readonly id: string
  readonly isDirect: boolean
}

/** In each channel the oldest first. @param known channels in which something was said before: all are read, since nobody else looks at them @param from unix milliseconds @throws what the library throws */
export async function* missedMessages(
  rest: REST,
  me: string,
  known: readonly KnownChannel[],
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Missed> {
  const oldest = idAt(from)
  const groups = (await groupChannels(rest, oldest, signal)).map((id) => ({ id, isDirect: false }))
  const all = new Map([...known, ...groups.slice(0, maxChannels)].map((each) => [each.id, each]))
  for (const channel of all.values()) yield* missedIn(channel, { rest, me, oldest, signal })
}

interface Look {
  readonly rest: REST
  readonly me: string
  readonly oldest: string
  readonly signal: AbortSignal
}

async function* missedIn({ id, isDirect }: KnownChannel, { rest, me, oldest, signal }: Look): AsyncGenerator<Missed> {
  try {
    for (const message of await since(rest, me, id, oldest, signal)) yield { message, isDirect }
  } catch (error) {
    // The bot cannot see this channel any more.
    if (discordFailure(error).why !== 'gone') throw error
  }
}

/** Makes a request when Discord lets it, however often it says to wait. */
async function patiently<Found>(ask: () => Promise<unknown>, signal: AbortSignal): Promise<Found> {
  for (;;)
    try {
      return (await ask()) as Found
    } catch (error) {
      const failure = discordFailure(error)
      if (failure.why !== 'throttled') throw error
      await pauseFor(failure.retryAfterMs, signal)
      signal.throwIfAborted()
    }
}

/**
 * What people said to the bot alone who have had no answer yet, so that nobody knows the channel. To ask for one that exists changes nothing; but
 * a bot may ask for few in a minute, so this takes a while where there are many. @throws what the library throws
 */
export async function* missedByPeople(
  rest: REST,
  me: string,
  people: readonly string[],
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Missed> {
  for (const person of people) {
    let channel: APIChannel
    try {
      channel = await patiently(() => rest.post(Routes.userChannels(), { body: { recipient_id: person }, signal }), signal)
    } catch (error) {
      // Somebody with whom it shares no server any more.
      const { why } = discordFailure(error)
      if (why !== 'gone' && why !== 'refused') throw error
      continue
    }
    yield* missedIn({ id: channel.id, isDirect: true }, { rest, me, oldest: idAt(from), signal })
  }
}

/** @returns channels of servers in which something was said since */
async function groupChannels(rest: REST, oldest: string, signal: AbortSignal): Promise<readonly string[]> {
  const guilds = await patiently<RESTAPIPartialCurrentUserGuild[]>(() => rest.get(Routes.userGuilds(), { signal }), signal)
  const found: string[] = []
  for (const { id } of guilds) {
    const channels = await patiently<APIChannel[]>(() => rest.get(Routes.guildChannels(id), { signal }), signal)
    for (const channel of channels)
      if (channel.type === ChannelType.GuildText && BigInt(channel.last_message_id ?? '0') > BigInt(oldest)) found.push(channel.id)
    if (found.length >= maxChannels) break
  }
  return found
}

/** @returns what is newer than the last message of ours, or shortly before, oldest first */
async function since(rest: REST, me: string, channel: string, oldest: string, signal: AbortSignal): Promise<readonly APIMessage[]> {
  const found: APIMessage[] = []
  let [before, floor] = ['', BigInt(oldest)]
  let isOwnSeen = false
  for (let page = 0; page < maxPages; page += 1) {
    const query = new URLSearchParams({ limit: String(pageSize), ...(before !== '' && { before }) })
    const messages = await patiently<APIMessage[]>(() => rest.get(Routes.channelMessages(channel), { query, signal }), signal)
    for (const message of messages) {
      if (BigInt(message.id) <= floor) return found.toReversed()
      if (message.author.id !== me) found.push(message)
      else if (!isOwnSeen) {
        isOwnSeen = true
        const near = BigInt(idAt(timeOf(message.id) - overlapMs))
        if (near > floor) floor = near
      }
    }
    if (messages.length < pageSize) break
    before = messages.at(-1)!.id
  }
  return found.toReversed()
}

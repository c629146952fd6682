/**
 * What was said to the bot while it was away: in each chat all since the bot itself has said something there, at most a day. Whoever takes a
 * message knows it by its id where it came before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebClient } from '@slack/web-api'
import type { InboundMessage } from '../port.ts'
import { slackFailure } from './slack-errors.ts'
import { type Me, messageOf, type OpenFile, type SlackMessage } from './slack-inbound.ts'

const dayMs = 24 * 60 * 60_000
/** Chats that are looked at: the histories of more cannot be read in the minutes that Slack allows. */
const maxChats = 100
const pageSize = 200
const maxPages = 10

/** In each chat the oldest first. @throws what the library throws */
export async function* missedMessages(
  web: WebClient,
  me: Me,
  open: OpenFile,
  now: number,
  stop: AbortSignal,
): AsyncGenerator<InboundMessage> {
  const { channels = [] } = await patiently(stop, () =>
    web.users.conversations({ types: 'im,mpim,public_channel,private_channel', exclude_archived: true, limit: maxChats }),
  )
  for (const { id: channel = '', is_im: isDirect = false, is_mpim: isMulti = false } of channels) {
    const messages = await since(web, me, channel, now - dayMs, stop)
    for (const message of messages) {
      const channelType = isDirect ? 'im' : isMulti ? 'mpim' : 'channel'
      const found = messageOf({ ...message, channel, channel_type: channelType }, me, open)
      if (found !== null) yield found
    }
  }
}

/** @returns what is newer than the last message of ours, oldest first */
async function since(web: WebClient, me: Me, channel: string, oldestMs: number, stop: AbortSignal): Promise<readonly SlackMessage[]> {
  const found: SlackMessage[] = []
  let cursor = ''
  for (let page = 0; page < maxPages; page += 1) {
    const oldest = (oldestMs / 1_000).toFixed(6)
    const answer = await patiently(stop, () =>
      web.conversations.history({ channel, oldest, limit: pageSize, ...(cursor !== '' && { cursor }) }),
    )
    for (const message of (answer.messages ?? []) as readonly SlackMessage[]) {
      if (message.user === me.user) return found.toReversed()
      found.push(message)
    }
    cursor = answer.response_metadata?.next_cursor ?? ''
    if (cursor === '') break
  }
  return found.toReversed()
}

/** Waits as long as Slack says. */
async function patiently<Answer>(stop: AbortSignal, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    stop.throwIfAborted()
    try {
      return await ask()
    } catch (error) {
      const failure = slackFailure(error)
      if (failure.why !== 'throttled') throw error
      await sleep(failure.retryAfterMs, undefined, { signal: stop })
    }
  }
}

/**
 * What was said to the bot while it was away: in each chat and each thread that is known all since the bot itself has said something there, at
 * most a week. Whoever takes a message knows it by its id where it came before.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { WebClient } from '@slack/web-api'
import type { InboundMessage, KnownChat } from '../port.ts'
import { readOrSkip, waitable } from '../retries.ts'
import { slackFailure } from './slack-errors.ts'
import { type Me, messageOf, type OpenFile, type SlackMessage } from './slack-inbound.ts'

/** Chats that are looked at: the histories of more cannot be read in the minutes that Slack allows. */
const maxChats = 100
const maxThreads = 50
const pageSize = 200
const maxPages = 10
/** What was said shortly before our last word may not have been taken in when this process ended. */
const overlapMs = 2 * 60_000

interface MissedDeps {
  readonly web: WebClient
  readonly me: Me
  readonly open: OpenFile
  /** Threads are not listed by Slack. */
  readonly known: readonly KnownChat[]
  /** Unix milliseconds. */
  readonly from: number
  readonly stop: AbortSignal
}

/** In each chat the oldest first. @throws what the library throws */
export async function* missedMessages({ web, me, open, known, from, stop }: MissedDeps): AsyncGenerator<InboundMessage> {
  const oldest = (from / 1_000).toFixed(6)
  const { channels = [] } = await patiently(stop, () =>
    web.users.conversations({ types: 'im,mpim,public_channel,private_channel', exclude_archived: true, limit: maxChats }),
  )
  const found = (message: SlackMessage, channel: string, type: string): readonly InboundMessage[] => {
    const read = readOrSkip(() => messageOf({ ...message, channel, channel_type: type }, me, open))
    return read === null ? [] : [read]
  }
  for (const { id: channel = '', is_im: isDirect = false, is_mpim: isMulti = false } of channels) {
    const type = isDirect ? 'im' : isMulti ? 'mpim' : 'channel'
    const messages = await newestFirst(stop, (cursor) => web.conversations.history({ channel, oldest, limit: pageSize, ...cursor }), me)
    for (const message of messages) yield* found(message, channel, type)
  }
  const threads = known.filter(({ thread, space }) => thread !== '' && space === me.team).slice(0, maxThreads)
  for (const { chat, thread, kind } of threads) {
    const type = kind === 'direct' ? 'im' : 'channel'
    const ask = { channel: chat, ts: thread, oldest, limit: pageSize }
    const messages = await allOf(stop, (cursor) => web.conversations.replies({ ...ask, ...cursor })).catch((error: unknown) => {
      if (slackFailure(error).why === 'gone') return []
      throw error
    })
    // Its first message is in the chat.
    for (const message of sinceOwn(messages, me)) if (message.ts !== thread) yield* found(message, chat, type)
  }
}

type Page = (cursor: { readonly cursor?: string }) => Promise<{
  readonly messages?: unknown
  readonly response_metadata?: { readonly next_cursor?: string }
}>

/** Reads a history, which is told newest first, as far as it is needed. @returns the oldest first */
async function newestFirst(stop: AbortSignal, page: Page, me: Me): Promise<readonly SlackMessage[]> {
  return sinceOwn(await allOf(stop, page, (sofar) => sinceOwn(sofar, me).length < sofar.filter(({ user }) => user !== me.user).length), me)
}

async function allOf(stop: AbortSignal, page: Page, isEnough: (sofar: readonly SlackMessage[]) => boolean = () => false) {
  const all: SlackMessage[] = []
  let cursor = ''
  for (let pages = 0; pages < maxPages; pages += 1) {
    const answer = await patiently(stop, () => page(cursor === '' ? {} : { cursor }))
    all.push(...((answer.messages ?? []) as readonly SlackMessage[]))
    cursor = answer.response_metadata?.next_cursor ?? ''
    if (cursor === '' || isEnough(all)) break
  }
  return all
}

const secondsOf = ({ ts }: SlackMessage): number => Number(ts ?? 0)

/** @returns what is newer than our last message, or shortly before, oldest first */
function sinceOwn(messages: readonly SlackMessage[], me: Me): readonly SlackMessage[] {
  const own = messages.filter(({ user }) => user === me.user).map(secondsOf)
  const floor = own.length === 0 ? 0 : Math.max(...own) - overlapMs / 1_000
  return messages
    .filter((message) => message.user !== me.user && secondsOf(message) > floor)
    .toSorted((one, other) => secondsOf(one) - secondsOf(other))
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
      await sleep(waitable(failure.retryAfterMs), undefined, { signal: stop })
    }
  }
}

/**
 * Sends to Discord. A message has its intent as nonce: for some minutes Discord itself makes one of two with the same, and the gateway tells
 * the nonce of each message of ours, by which it is found when its answer was lost.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { REST } from '@discordjs/rest'
import {
  type APIActionRowComponent,
  type APIButtonComponent,
  type APIMessage,
  ButtonStyle,
  ComponentType,
  MessageFlags,
  type RESTPatchAPIChannelMessageJSONBody,
  Routes,
} from 'discord-api-types/v10'
import { createRecentMap } from '../../base/index.ts'
import type { PlatformClock } from '../platform-clock.ts'
import type { ChannelAdapter, OutboundPart, Sent } from '../port.ts'
import { partMentions } from '../text/index.ts'
import { discordFailure } from './discord-errors.ts'
import { idAt } from './discord-inbound.ts'
import type { RivalWatch } from './discord-rival.ts'

/** Digits of an intent that a nonce has room for. */
const nonceChars = 25
/** Clocks of Discord and of this machine may differ so much. */
const clockMs = 5 * 60_000
/** Discord takes no second message with a nonce for "the past few minutes". */
const enforcedMs = 2 * 60_000
/** So long the gateway may take to tell of a message. */
const toldMs = 2_000
const pageSize = 100
const maxPages = 5
const maxNonces = 1_000

export interface Sending extends Pick<ChannelAdapter, 'send' | 'edit' | 'upload' | 'find'> {
  /** The gateway has told of a message of ours. */
  told(nonce: string, id: string): void
}

export interface SendingParts {
  readonly rest: REST
  /** Our id, when we are connected. */
  readonly me: () => string
  readonly clock: PlatformClock
  readonly rival: RivalWatch
}

export function sendingBy({ rest, me, clock, rival }: SendingParts): Sending {
  const idOf = createRecentMap<string, string>(maxNonces)
  const known = createRecentMap<string, string>(maxNonces)
  const told = (nonce: string, id: string): void => {
    idOf.put(nonce, id)
    known.put(id, nonce)
  }
  const request = async (work: () => Promise<string>): Promise<Sent> => {
    try {
      return { ok: true, id: await work() }
    } catch (error) {
      return discordFailure(error)
    }
  }
  const post = async (
    chat: string,
    body: object,
    intent: string,
    signal: AbortSignal,
    file?: { name: string; data: Uint8Array; contentType: string },
  ) => {
    const nonce = nonceOf(intent)
    rival.mine(nonce)
    const { id } = (await rest.post(Routes.channelMessages(chat), {
      body: { ...body, nonce, enforce_nonce: true },
      signal,
      ...(file !== undefined && { files: [file] }),
    })) as APIMessage
    told(nonce, id)
    rival.said(chat, id)
    return id
  }
  return {
    told,
    send: ({ chat }, part, intent, signal) => request(() => post(chat, { ...content(part), ...answering(part.replyTo) }, intent, signal)),
    edit: ({ chat }, message, part, signal) =>
      request(async () => {
        await rest.patch(Routes.channelMessage(chat, message), { body: content(part), signal })
        return message
      }),
    upload: ({ chat }, { name, type, bytes, caption }, intent, signal) =>
      request(() =>
        post(chat, content({ text: partMentions(caption), plain: caption }), intent, signal, { name, data: bytes, contentType: type }),
      ),
    async find({ chat }, intent, near, signal) {
      const nonce = nonceOf(intent)
      rival.mine(nonce)
      try {
        const late = Date.now() + toldMs
        for (;;) {
          const id = idOf.get(nonce) ?? ''
          if (id !== '') return { ok: true, id }
          const own = await ownSince(rest, chat, me(), idAt(clock.at(near) - clockMs), signal)
          const exact = own.find((message) => message.nonce === nonce)
          if (exact !== undefined) return { ok: true, id: exact.id }
          if (own.every((message) => known.get(message.id) !== undefined))
            return { ok: false, why: 'absent', message: 'it is not in the history' }
          if (Date.now() >= late) break
          await sleep(100, undefined, { signal })
        }
      } catch (error) {
        const failure = discordFailure(error)
        return { ok: false, why: 'unknown', message: 'message' in failure ? failure.message : failure.why }
      }
      // There is a message of ours, but nobody can tell which. Sending again is safe as long as Discord compares nonces.
      const isEnforced = Date.now() - near < enforcedMs
      return { ok: false, why: isEnforced ? 'absent' : 'unknown', message: 'the history does not say what was sent' }
    },
  }
}

const nonceOf = (intent: string): string => intent.slice(-nonceChars)

const answering = (message: string | undefined) =>
  message === undefined || !/^\d+$/.test(message) ? {} : { message_reference: { message_id: message, fail_if_not_exists: false } }

function content({ text, buttons }: OutboundPart): RESTPatchAPIChannelMessageJSONBody {
  const rows = (buttons ?? []).map((row): APIActionRowComponent<APIButtonComponent> => ({
    type: ComponentType.ActionRow,
    components: row.map(({ label, data }) => ({
      type: ComponentType.Button,
      style: ButtonStyle.Secondary,
      label: label.slice(0, 80),
      custom_id: data,
    })),
  }))
  return { content: text, components: rows, allowed_mentions: { parse: [] }, flags: MessageFlags.SuppressEmbeds }
}

/** @returns what we have said since, the newest first */
async function ownSince(rest: REST, chat: string, me: string, after: string, signal: AbortSignal): Promise<readonly APIMessage[]> {
  const own: APIMessage[] = []
  let before = ''
  for (let page = 0; page < maxPages; page += 1) {
    const query = new URLSearchParams({ limit: String(pageSize), ...(before !== '' && { before }) })
    const found = (await rest.get(Routes.channelMessages(chat), { query, signal })) as APIMessage[]
    const since = found.filter(({ id }) => BigInt(id) > BigInt(after))
    own.push(...since.filter(({ author }) => author.id === me))
    if (since.length < pageSize) return own
    before = found.at(-1)!.id
  }
  return own
}

/**
 * Telegram, by long polls of its Bot API. A poll confirms the updates before the oldest that is not yet in the journal. Telegram cannot say
 * whether a message has arrived whose answer was lost, so this adapter never finds one: whoever sends uses placeholders.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Api, InputFile } from 'grammy'
import { OxbowError } from '../../base/index.ts'
import type {
  AdapterDeps,
  Button,
  ChannelAdapter,
  ChannelEvents,
  ChannelLimits,
  ChannelSettings,
  OpenChannel,
  OutboundPart,
  Sent,
} from '../port.ts'
import { failureOf, type TelegramFailure } from './telegram-errors.ts'
import { fileOpener } from './telegram-files.ts'
import { type Me, wantedUpdates } from './telegram-inbound.ts'
import { createUnconfirmed } from './telegram-unconfirmed.ts'
import { pauseFor, retryMs } from '../retries.ts'

/** From core.telegram.org/bots/faq: about one message a second in a chat, 20 a minute in a group, files of 20 MB that bots can read. */
const limits: ChannelLimits = {
  dialect: 'telegram',
  textLength: 4_096,
  chatIntervalMs: 1_500,
  groupPerMinute: 20,
  fileBytes: 20_000_000,
  edits: true,
  buttons: true,
  reconciles: false,
}

/** A poll waits so long for an update. */
const pollS = 30
/** A request that takes longer has an unknown end. */
const requestS = 60
/**
 * Two programs with one token take the polls from each other; the one that has lost so many in a row stops. A process of ours that is just
 * ending is gone by then.
 */
const maxConflicts = 5
/** The one that has just begun gives way first. */
const maxEarlyConflicts = 3
const earlyMs = 8_000
/** A poll that has stood so long ended no struggle: what was lost before does not count any more. */
const undisturbedMs = 6_000
const conflictPauseMs = 2_000
const alertChars = 200

/** Opens the account of a bot. Options: `api_root`, the address of another Bot API server. */
export const openTelegram: OpenChannel = async (settings, deps) => {
  const { token = '' } = settings.secrets
  // What comes from the person who adds it goes into an address.
  if (!/^\d{1,20}:[\w-]{20,100}$/.test(token)) throw badToken('does not look like a token of Telegram')
  return createAdapter(settings, deps, token)
}

function badToken(why: string): OxbowError {
  return new OxbowError('unauthenticated', `The token ${why}.`, {
    hint: 'Ask @BotFather for one (/newbot, or /token for a bot that you have), then: oxbow channel add telegram --token-stdin.',
  })
}

function createAdapter({ options, name }: ChannelSettings, deps: AdapterDeps, token: string): ChannelAdapter {
  const apiRoot = options['api_root'] ?? 'https://api.telegram.org'
  const api = new Api(token, { apiRoot, timeoutSeconds: requestS })
  const ending = new AbortController()
  let polling: Promise<void> = Promise.resolve()
  const open = fileOpener(api, `${apiRoot}/file/bot${token}`)
  const requests = sendingBy(api)
  return {
    limits,
    ...requests,
    async start(events, menu, signal) {
      const stop = AbortSignal.any([signal, ending.signal])
      const me = await firstly(() => api.getMe())
      await firstly(() => api.setMyCommands(menu.map((each) => ({ command: each.name, description: each.summary }))))
      // Fails where a webhook is set, or another program polls.
      await firstly(() => probe(api, stop))
      deps.log('telegram is connected', { level: 'info', channel: name })
      polling = poll({ api, me, events, stop, open, random: deps.random })
      return {
        id: String(me.id),
        name: `@${me.username}`,
        link: `https://t.me/${me.username}?start=CODE`,
        console: groupsNote(me.can_read_all_group_messages),
      }
    },
    // It has nothing by which a message could be found.
    find: async () => ({ ok: false, why: 'unknown', message: 'Telegram cannot tell' }),
    async answerButton(press, text) {
      await api.answerCallbackQuery(press, { text: text.slice(0, alertChars), show_alert: text !== '' }).catch(() => {})
    },
    async typing({ chat, thread }) {
      await api.sendChatAction(chat, 'typing', inThread(thread)).catch(() => {})
    },
    async close() {
      ending.abort()
      await polling
    },
  }
}

function groupsNote(readsAll: boolean | undefined): string {
  return readsAll === true ? 'In groups the bot reads every message: privacy mode is off (@BotFather, /setprivacy).' : ''
}

/** Fails where somebody else polls on and on. */
async function probe(api: Api, stop: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await api.getUpdates({ limit: 1, timeout: 0, allowed_updates: wantedUpdates })
      return
    } catch (error) {
      if (failureOf(error).why !== 'conflict' || tries >= maxConflicts) throw error
      await sleep(conflictPauseMs, undefined, { signal: stop })
    }
  }
}

/** @throws OxbowError with what a person can do */
async function firstly<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask()
  } catch (error) {
    const failure = failureOf(error)
    if (failure.why === 'revoked') throw badToken('is refused by Telegram')
    if (failure.why === 'conflict')
      throw new OxbowError('workspace_busy', 'Another program receives the messages of this bot.', {
        hint: 'Stop the other one, or make a bot of its own for each: @BotFather, /newbot.',
      })
    if (failure.why === 'webhook')
      throw new OxbowError('bad_config', 'A webhook is set for this bot, so that it cannot be polled.', {
        hint: 'Remove it where it was set, by the method deleteWebhook, then: oxbow channel resume telegram.',
      })
    throw new OxbowError('guest_unreachable', `Telegram cannot be reached: ${'message' in failure ? failure.message : failure.why}.`, {
      hint: 'It is tried again. Check the connection of this machine to the internet.',
    })
  }
}

interface PollDeps extends Pick<AdapterDeps, 'random'> {
  readonly api: Api
  readonly me: Me
  readonly events: ChannelEvents
  readonly stop: AbortSignal
  readonly open: ReturnType<typeof fileOpener>
}

/** Never rejects. */
async function poll({ api, me, events, stop, open, random }: PollDeps): Promise<void> {
  const unconfirmed = createUnconfirmed({ me, events, stop, open, random })
  let [failures, conflicts] = [0, 0]
  const began = performance.now()
  let mostConflicts = maxConflicts
  while (!stop.aborted) {
    const asked = performance.now()
    try {
      const { offset, isOpen } = unconfirmed.next()
      // What is open comes with each poll again, at once; what came meanwhile comes behind it.
      const wanted = { offset, timeout: isOpen ? 0 : pollS, allowed_updates: wantedUpdates }
      const updates = await api.getUpdates(wanted, abortable(stop))
      if (failures + conflicts > 0) events.up()
      ;[failures, conflicts] = [0, 0]
      await unconfirmed.take(updates)
    } catch (error) {
      if (stop.aborted) return
      const failure = failureOf(error)
      if (failure.why === 'revoked') return events.down('Telegram refuses the token', Infinity)
      if (failure.why === 'conflict') {
        conflicts = performance.now() - asked > undisturbedMs ? 1 : conflicts + 1
        if (conflicts === 1) mostConflicts = performance.now() - began < earlyMs ? maxEarlyConflicts : maxConflicts
        if (conflicts >= mostConflicts) return events.down('another program receives the messages of this bot', Infinity)
        await pauseFor(conflictPauseMs, stop)
        continue
      }
      failures += 1
      const waitMs = failure.why === 'throttled' ? failure.retryAfterMs : retryMs(failures, random)
      events.down(failure.why === 'throttled' ? 'throttled' : failure.message, waitMs)
      await pauseFor(waitMs, stop)
    }
  }
}

/** The library knows the type of another implementation. */
type GrammySignal = Parameters<Api['getMe']>[0]
const abortable = (signal: AbortSignal): NonNullable<GrammySignal> => signal as unknown as NonNullable<GrammySignal>

const inThread = (thread: string): { readonly message_thread_id?: number } => (thread === '' ? {} : { message_thread_id: Number(thread) })

function keyboardOf(buttons: OutboundPart['buttons']) {
  const row = (each: readonly Button[]) => each.map(({ label, data }) => ({ text: label, callback_data: data }))
  return buttons === undefined ? {} : { reply_markup: { inline_keyboard: buttons.map(row) } }
}

function sendingBy(api: Api): Pick<ChannelAdapter, 'send' | 'edit' | 'upload'> {
  /** Chats that have another id since this process began. */
  const moved = new Map<string, string>()
  const idOf = (chat: string): string => moved.get(chat) ?? chat
  /** Once more where the chat has moved, and without format where that is refused: nothing was done then. */
  const request = async (
    chat: string,
    work: (chat: string, isPlain: boolean) => Promise<{ readonly message_id: number }>,
  ): Promise<Sent> => {
    let isPlain = false
    for (let tries = 0; ; tries += 1) {
      try {
        return { ok: true, id: String((await work(idOf(chat), isPlain)).message_id) }
      } catch (error) {
        const failure = failureOf(error)
        if (tries < 2 && failure.why === 'moved') moved.set(chat, failure.to)
        else if (tries < 2 && failure.why === 'unformatted') isPlain = true
        else return sentOf(failure)
      }
    }
  }
  return {
    send: async ({ chat, thread }, part, _intent, signal) =>
      request(chat, (id, isPlain) => {
        const reply =
          part.replyTo === undefined ? {} : { reply_parameters: { message_id: Number(part.replyTo), allow_sending_without_reply: true } }
        const more = { ...format(isPlain), ...inThread(thread), ...keyboardOf(part.buttons), ...reply }
        return api.sendMessage(id, isPlain ? part.plain : part.text, more, abortable(signal))
      }),
    async edit({ chat }, message, part, signal) {
      const sent = await request(chat, async (id, isPlain) => {
        const more = { ...format(isPlain), ...keyboardOf(part.buttons) }
        try {
          await api.editMessageText(id, Number(message), isPlain ? part.plain : part.text, more, abortable(signal))
        } catch (error) {
          if (failureOf(error).why !== 'same') throw error
        }
        return { message_id: Number(message) }
      })
      return sent
    },
    async upload({ chat, thread }, { name, type, bytes, caption, voice }, _intent, signal) {
      const file = new InputFile(bytes, name)
      const more = { ...inThread(thread), ...(caption !== '' && { caption }) }
      const asDocument = (): Promise<Sent> => request(chat, (id) => api.sendDocument(id, file, more, abortable(signal)))
      if (voice !== true || type !== 'audio/ogg') return asDocument()
      const sent = await request(chat, (id) => api.sendVoice(id, file, more, abortable(signal)))
      // Somebody may want no voice messages.
      return !sent.ok && sent.why === 'refused' && /VOICE_MESSAGES_FORBIDDEN/.test(sent.message) ? asDocument() : sent
    },
  }
}

const format = (isPlain: boolean) => ({
  ...(!isPlain && { parse_mode: 'HTML' as const }),
  link_preview_options: { is_disabled: true },
})

function sentOf(failure: TelegramFailure): Sent {
  if (failure.why === 'throttled') return failure
  const { why } = failure
  const isOfPort = why === 'absent' || why === 'unknown' || why === 'gone' || why === 'refused' || why === 'revoked'
  return { ok: false, why: isOfPort ? why : 'refused', message: failure.message }
}

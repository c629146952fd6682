/**
 * A Bot API server of Telegram on loopback, which the official client talks to by `apiRoot`. It holds to core.telegram.org/bots/api: lengths,
 * entities, callback data, confirmation of updates by offset, one poll at a time, 429 with `retry_after`; and it counts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Chat, InlineKeyboardMarkup, Message, Update, User } from 'grammy/types'
import type { ChannelFake, Stands } from '../../../src/channels/channel-contract.ts'
import { readTelegramHtml } from './telegram-html.ts'
import { fileField, type Form, readForm } from './telegram-form.ts'

const me: User = { id: 7_000_001, is_bot: true, first_name: 'Oxbow', username: 'oxbow_test_bot' }
const groupId = -1_001_234

/** What the server has counted. */
export interface TelegramCounts {
  readonly sends: number
  readonly edits: number
  /** By the method's name. */
  readonly requests: ReadonlyMap<string, number>
  readonly menu: readonly string[]
}

/** The server, with what only Telegram has. */
export interface TelegramFake extends ChannelFake {
  readonly apiRoot: string
  readonly token: string
  /** Ids are unique in all of Telegram. */
  readonly space: string
  counts(): TelegramCounts
  acknowledged(): readonly string[]
  /** All states of a message, as people have seen them. */
  seen(id: string): readonly string[]
  /** Puts any update into the queue. */
  push(update: object): void
  /** The id of a person, as updates have it. */
  idOf(name: string): string
  /** A poll waits. Resolves when the client has confirmed all. */
  confirmed(): Promise<void>
  /** The group becomes a larger one, with another id. @returns the new id */
  migrate(): string
  /** The bot is removed from a group. */
  removeFrom(chat: string): void
  inviteTo(chat: string): void
  /** Every n-th request that sends or edits is throttled. */
  throttleEach(n: number): void
}

class Refusal extends Error {
  readonly code: number
  readonly parameters: object
  constructor(code: number, description: string, parameters: object = {}) {
    super(description)
    this.code = code
    this.parameters = parameters
  }
}

interface Held extends Stands {
  text: string
  edits: number
  buttons: Stands['buttons']
  readonly states: string[]
}

/** @param token default: one that is valid for this server alone */
export async function startTelegramFake(token = '7000001:AAFakeTokenForTestsOnly_0123456789abc'): Promise<TelegramFake> {
  const state = newState(token)
  const server = createServer((request, response) => void answer(state, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const apiRoot = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...controlsOf(state),
    settings: { name: 'telegram', kind: 'telegram', secrets: { token }, options: { api_root: apiRoot } },
    apiRoot,
    token,
    space: '',
    async close() {
      state.polls.forEach((end) => end())
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type State = ReturnType<typeof newState>

function newState(token: string) {
  return {
    token,
    isRevoked: false,
    isRepeating: false,
    nextUpdate: 1,
    nextMessage: 100,
    group: groupId,
    movedFrom: new Map<string, number>(),
    people: new Map<string, number>(),
    updates: [] as { readonly id: number; readonly update: object; readonly message: string }[],
    confirmed: [] as string[],
    messages: [] as Held[],
    files: new Map<string, Uint8Array>(),
    presses: new Map<string, PromiseWithResolvers<string>>(),
    /** Ends the poll that waits. */
    polls: new Set<(refusal?: Refusal) => void>(),
    throttleS: 0,
    throttleEach: 0,
    removedFrom: new Set<string>(),
    sendings: 0,
    losesAnswer: false,
    refusesConnection: false,
    requests: new Map<string, number>(),
    menu: [] as string[],
    edits: 0,
    changed: new Set<() => void>(),
  }
}

/** @returns what Telegram marks in a text: that it names us, which is put before it, or a command */
function entitiesOf(text: string, mention: boolean) {
  if (mention) return [{ type: 'mention' as const, offset: 0, length: me.username!.length + 1 }]
  const [command = ''] = /^\/\w+(?:@\w+)?/.exec(text) ?? []
  return command === '' ? [] : [{ type: 'bot_command' as const, offset: 0, length: command.length }]
}

function controlsOf(state: State): Omit<TelegramFake, 'settings' | 'apiRoot' | 'token' | 'space' | 'close'> {
  const idOf = (name: string): number => {
    const id = state.people.get(name) ?? 1_000 + state.people.size
    state.people.set(name, id)
    return id
  }
  const person = (name: string, shown = name): User => ({ id: idOf(name), is_bot: false, first_name: shown })
  const chatOf = (name: string, isGroup: boolean): Chat =>
    isGroup ? { id: state.group, type: 'supergroup', title: 'A group' } : { id: idOf(name), type: 'private', first_name: name }
  const said = new Map<string, Message>()
  return {
    idOf: (name) => String(idOf(name)),
    push: (update) => put(state, update, ''),
    async say({ from, text, group = false, mention = false, files = [], thread = '', quoted, forwarded = false, shown = from }) {
      const written = mention ? `@${me.username} ${text}` : text
      const entities = entitiesOf(text, mention)
      const id = (state.nextMessage += 1)
      const date = Math.floor(Date.now() / 1_000)
      const other = person('somebody')
      const base = {
        message_id: id,
        date,
        chat: chatOf(from, group),
        from: person(from, shown),
        ...(thread !== '' && { message_thread_id: Number(thread), is_topic_message: true }),
        ...(quoted !== undefined && { reply_to_message: { message_id: 1, date, chat: chatOf(from, group), from: other, text: quoted } }),
        ...(forwarded && { forward_origin: { type: 'user', date, sender_user: other } }),
      }
      const [file] = files
      const content =
        file === undefined ? { text: written, entities } : { caption: written, caption_entities: entities, ...fileField(state.files, file) }
      const message = { ...base, ...content } as unknown as Message
      said.set(String(id), message)
      put(state, { message }, String(id))
      return { chat: { space: '', chat: String(base.chat.id), thread }, message: String(id) }
    },
    async rewrite(_chat, message, text) {
      const changed = { ...said.get(message)!, text, entities: [], edit_date: Math.floor(Date.now() / 1_000) }
      put(state, { edited_message: changed }, message)
    },
    async press(chat, message, data, from) {
      const id = `press-${(state.nextMessage += 1)}`
      const waits = Promise.withResolvers<string>()
      state.presses.set(id, waits)
      const below = { message_id: Number(message), date: 1, chat: { id: Number(chat.chat), type: 'private' }, from: me, text: '…' }
      put(state, { callback_query: { id, from: person(from), message: below, chat_instance: '1', data } }, '')
      return waits.promise
    },
    standing: () => state.messages.map(({ states: _states, ...each }) => each),
    seen: (id) => state.messages.find((each) => each.id === id)?.states ?? [],
    removeFrom: (chat) => void state.removedFrom.add(chat),
    inviteTo: (chat) => void state.removedFrom.delete(chat),
    repeatUpdates: () => void (state.isRepeating = true),
    acknowledged: () => state.confirmed,
    throttle: (seconds) => void (state.throttleS = seconds),
    throttleEach: (n) => void (state.throttleEach = n),
    loseAnswer: () => void (state.losesAnswer = true),
    refuseConnection: () => void (state.refusesConnection = true),
    revoke: () => void (state.isRevoked = true),
    counts: () => ({ sends: state.messages.length, edits: state.edits, requests: state.requests, menu: state.menu }),
    async confirmed() {
      while (state.updates.length > 0) await new Promise<void>((resolve) => state.changed.add(resolve))
    },
    migrate: () => migrate(state),
  }
}

/** The group becomes one with another id. */
function migrate(state: State): string {
  const [before, after] = [state.group, state.group - 1]
  state.movedFrom.set(String(before), after)
  state.group = after
  const message = {
    message_id: (state.nextMessage += 1),
    date: 1,
    chat: { id: before, type: 'group', title: 'A group' },
    migrate_to_chat_id: after,
  }
  put(state, { message }, '')
  return String(after)
}

function put(state: State, update: object, message: string): void {
  for (let copies = state.isRepeating ? 2 : 1; copies > 0; copies -= 1) {
    const id = state.nextUpdate++
    state.updates.push({ id, update: { update_id: id, ...update }, message })
  }
  for (const end of state.polls) end()
}

async function answer(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, file, token, method = ''] = /^\/(file\/)?bot([^/]+)\/(.+)$/.exec(request.url ?? '') ?? []
  const body = await readForm(request)
  const reply = (status: number, value: object): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  if (token !== state.token || state.isRevoked) return reply(401, { ok: false, error_code: 401, description: 'Unauthorized' })
  if (file !== undefined) return void response.end(state.files.get(method))
  state.requests.set(method, (state.requests.get(method) ?? 0) + 1)
  const isSending = method.startsWith('send') && method !== 'sendChatAction'
  if (isSending && state.refusesConnection) {
    state.refusesConnection = false
    return void request.socket.destroy()
  }
  try {
    if (isSending || method === 'editMessageText') admit(state)
    const result = await methods[method]?.(state, body, request)
    if (result === undefined) throw new Refusal(404, 'Not Found')
    if (isSending && state.losesAnswer) {
      state.losesAnswer = false
      return void request.socket.destroy()
    }
    reply(200, { ok: true, result })
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const parameters = Object.keys(error.parameters).length === 0 ? {} : { parameters: error.parameters }
    reply(error.code, { ok: false, error_code: error.code, description: error.message, ...parameters })
  }
}

function admit(state: State): void {
  state.sendings += 1
  const isEach = state.throttleEach > 0 && state.sendings % state.throttleEach === 0
  if (state.throttleS === 0 && !isEach) return
  const seconds = state.throttleS || 1
  state.throttleS = 0
  throw new Refusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds })
}

type Method = (state: State, body: Form, request: IncomingMessage) => unknown

const methods: Readonly<Record<string, Method>> = {
  getMe: () => ({ ...me, can_join_groups: true, can_read_all_group_messages: false, supports_inline_queries: false }),
  setMyCommands(state, { fields }) {
    const commands = fields['commands'] as readonly { command: string; description: string }[]
    for (const { command, description } of commands)
      if (!/^[a-z0-9_]{1,32}$/.test(command) || description.length < 1 || description.length > 256)
        throw new Refusal(400, 'Bad Request: BOT_COMMAND_INVALID')
    state.menu = commands.map(({ command }) => command)
    return true
  },
  getUpdates: (state, { fields }, request) => poll(state, fields, request),
  sendMessage(state, { fields }) {
    const chat = chatFor(state, fields)
    return messageFrom(state, chat, textOf(fields), fields, [])
  },
  editMessageText(state, { fields }) {
    chatFor(state, fields)
    const held = state.messages.find(({ id, chat }) => id === String(fields['message_id']) && chat === String(fields['chat_id']))
    if (held === undefined) throw new Refusal(400, 'Bad Request: message to edit not found')
    const [text, buttons] = [textOf(fields), buttonsOf(fields)]
    if (text === held.text && JSON.stringify(buttons) === JSON.stringify(held.buttons))
      throw new Refusal(400, 'Bad Request: message is not modified: specified new message content and reply markup are exactly the same')
    Object.assign(held, { text, buttons, edits: held.edits + 1 })
    held.states.push(text)
    state.edits += 1
    return wireOf(held)
  },
  sendDocument: (state, form) => messageWithFile(state, form, false),
  sendVoice(state, form) {
    const [file] = form.files
    // Only Opus in Ogg becomes a voice message.
    if (file !== undefined && Buffer.from(file.bytes).toString('latin1', 28, 36) !== 'OpusHead')
      throw new Refusal(400, 'Bad Request: wrong file identifier/HTTP URL specified')
    return messageWithFile(state, form, true)
  },
  sendChatAction: () => true,
  answerCallbackQuery(state, { fields }) {
    const waits = state.presses.get(String(fields['callback_query_id']))
    if (waits === undefined) throw new Refusal(400, 'Bad Request: query is too old and response timeout expired or query ID is invalid')
    if (worded(fields['text']).length > 200) throw new Refusal(400, 'Bad Request: MESSAGE_TOO_LONG')
    waits.resolve(worded(fields['text']))
    return true
  },
  getFile(state, { fields }) {
    const id = String(fields['file_id'])
    const bytes = state.files.get(id)
    if (bytes === undefined) throw new Refusal(400, 'Bad Request: invalid file_id')
    if (bytes.length > 20_000_000) throw new Refusal(400, 'Bad Request: file is too big')
    return { file_id: id, file_unique_id: id, file_size: bytes.length, file_path: id }
  },
}

function messageWithFile(state: State, { fields, files }: Form, isVoice: boolean): object {
  const chat = chatFor(state, fields)
  const [file] = files
  if (file === undefined || file.bytes.length === 0) throw new Refusal(400, 'Bad Request: file must be non-empty')
  if (file.bytes.length > 50_000_000) throw new Refusal(413, 'Request Entity Too Large')
  const caption = worded(fields['caption'])
  if (caption.length > 1_024) throw new Refusal(400, 'Bad Request: message caption is too long')
  return messageFrom(state, chat, caption, fields, [{ name: file.name, bytes: file.bytes.length, ...(isVoice && { isVoice }) }])
}

async function poll(state: State, fields: Form['fields'], request: IncomingMessage): Promise<readonly Update[]> {
  const offset = Number(fields['offset'] ?? 0)
  const isConfirmed = ({ id }: { readonly id: number }): boolean => id < offset
  state.confirmed.push(...state.updates.filter(isConfirmed).map(({ message }) => message))
  state.updates = state.updates.filter((each) => !isConfirmed(each))
  for (const wake of state.changed) wake()
  state.changed.clear()
  for (const end of state.polls)
    end(new Refusal(409, 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running'))
  if (state.updates.length === 0 && Number(fields['timeout'] ?? 0) > 0) {
    const waits = Promise.withResolvers<void>()
    const end = (refusal?: Refusal): void => (refusal === undefined ? waits.resolve() : waits.reject(refusal))
    const timer = setTimeout(waits.resolve, Number(fields['timeout']) * 1_000)
    request.once('close', waits.resolve)
    request.socket.once('close', () => waits.resolve())
    state.polls.add(end)
    try {
      await waits.promise
    } finally {
      clearTimeout(timer)
      state.polls.delete(end)
    }
  }
  return state.updates.slice(0, Number(fields['limit'] ?? 100)).map(({ update }) => update as Update)
}

function chatFor(state: State, fields: Form['fields']): string {
  const id = String(fields['chat_id'])
  if (state.removedFrom.has(id)) throw new Refusal(403, 'Forbidden: bot was kicked from the supergroup chat')
  const moved = state.movedFrom.get(id)
  if (moved !== undefined)
    throw new Refusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', { migrate_to_chat_id: moved })
  if (id !== String(state.group) && ![...state.people.values()].includes(Number(id))) throw new Refusal(400, 'Bad Request: chat not found')
  return id
}

function worded(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function textOf(fields: Form['fields']): string {
  const given = worded(fields['text'])
  let text = given
  try {
    if (fields['parse_mode'] === 'HTML') text = readTelegramHtml(given)
  } catch (error) {
    throw new Refusal(400, (error as Error).message)
  }
  if (text.trim() === '') throw new Refusal(400, 'Bad Request: message text is empty')
  if (text.length > 4_096) throw new Refusal(400, 'Bad Request: message is too long')
  return text
}

function buttonsOf(fields: Form['fields']): Stands['buttons'] {
  const markup = fields['reply_markup'] as InlineKeyboardMarkup | undefined
  return (markup?.inline_keyboard ?? []).map((row) =>
    row.map((button) => {
      const data = 'callback_data' in button ? (button.callback_data ?? '') : ''
      if (Buffer.byteLength(data) < 1 || Buffer.byteLength(data) > 64) throw new Refusal(400, 'Bad Request: BUTTON_DATA_INVALID')
      return { label: button.text, data }
    }),
  )
}

function messageFrom(state: State, chat: string, text: string, fields: Form['fields'], files: Stands['files']): object {
  const id = String((state.nextMessage += 1))
  const thread = worded(fields['message_thread_id'])
  const held: Held = { chat, thread, id, text, buttons: buttonsOf(fields), files, edits: 0, states: [text] }
  state.messages.push(held)
  return wireOf(held)
}

const wireOf = ({ id, chat, text }: Held): object => ({
  message_id: Number(id),
  date: Math.floor(Date.now() / 1_000),
  chat: { id: Number(chat), type: Number(chat) > 0 ? 'private' : 'supergroup' },
  from: me,
  text,
})

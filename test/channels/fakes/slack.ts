/**
 * A workspace of Slack on loopback: its Web API, which the official client talks to by `slackApiUrl`, and Socket Mode. It is strict about blocks,
 * scopes, acknowledgements and rates, and it counts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChannelFake } from '../../../src/channels/channel-contract.ts'
import { neededScopes } from '../../../src/channels/slack/slack-manifest.ts'
import { callMethod, type Form, sends, throttled } from './slack-api.ts'
import { createSocketMode, type SocketMode } from './slack-socket.ts'
import { groupChannel, type Held, type HeldFile, me, nextTs, shownText, SlackRefusal, type SlackState, team } from './slack-state.ts'

/** The server, with what only Slack has. */
export interface SlackFake extends ChannelFake {
  /** The workspace, in which ids of people are unique. */
  readonly space: string
  /** The id of a person, as events have it. */
  idOf(name: string): string
  menu(): readonly string[]
  /** By how much its clock differs from this machine's. */
  clockOff(ms: number): void
  /** Somebody says something while nothing is connected, or nothing is told: it is in the history alone. */
  sayUnheard(from: string, text: string, at?: number, thread?: string): { readonly chat: string; readonly message: string }
  /** A command of the menu. */
  command(from: string, text: string): void
  /** All states of a message, as people have seen them. */
  seen(id: string): readonly string[]
  requests(method: string): number
  lackScope(scope: string): void
  removeFrom(chat: string): void
  inviteTo(chat: string): void
  connections(): number
  refresh(): void
  cut(): void
}

/** @returns a server of its own */
export async function startSlackFake(): Promise<SlackFake> {
  const state: SlackState = {
    token: 'xoxb-fake-token-for-tests-only',
    appToken: 'xapp-fake-token-for-tests-only',
    scopes: neededScopes.join(','),
    isRevoked: false,
    isRepeating: false,
    throttleS: 0,
    losesAnswer: false,
    refusesConnection: false,
    removedFrom: new Set(),
    messages: [],
    files: new Map(),
    channels: new Set([groupChannel]),
    shown: new Map(),
    requests: new Map(),
    recent: new Map(),
    acknowledged: [],
    last: 0,
    clockOffMs: 0,
  }
  const sockets = createSocketMode((message) => state.acknowledged.push(message))
  const server = createServer((request, response) => void answer(state, sockets, request, response))
  server.on('upgrade', (request, socket, head) => sockets.upgrade(request, socket, head))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...controlsOf(state, sockets, root),
    space: team,
    idOf: userOf,
    menu: () => [],
    clockOff: (ms) => void (state.clockOffMs = ms),
    settings: {
      name: 'slack',
      kind: 'slack',
      secrets: { token: state.token, app_token: state.appToken },
      options: { api_url: `${root}/api/` },
    },
    async close() {
      sockets.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const userOf = (name: string): string => `U0${name.toUpperCase()}`
const typeOf = (channel: string): string => (channel.startsWith('D') ? 'im' : 'channel')
const directOf = (name: string): string => `D0${name.toUpperCase()}`

/** A file that somebody sends. */
function keptFile(
  state: SlackState,
  root: string,
  { name, bytes, recorded = false }: { readonly name: string; readonly bytes: Uint8Array; readonly recorded?: boolean },
): HeldFile {
  const id = `F${state.files.size + 1}`
  const kind = recorded ? { subtype: 'slack_audio', mimetype: 'audio/mp4' } : {}
  const facts = { url_private_download: `${root}/files/${id}`, ...kind }
  const file = { id, name, title: name, length: bytes.length, bytes, facts }
  state.files.set(id, file)
  return file
}

function controlsOf(
  state: SlackState,
  sockets: SocketMode,
  root: string,
): Omit<SlackFake, 'settings' | 'close' | 'space' | 'idOf' | 'menu' | 'clockOff'> {
  const tell = (event: object, message: string): void => {
    const payload = { team_id: team, api_app_id: 'A0001', type: 'event_callback', event: { type: 'message', ...event } }
    for (let times = state.isRepeating ? 2 : 1; times > 0; times -= 1) sockets.deliver('events_api', payload, message)
  }
  const write = (from: string, channel: string, text: string, at?: number, thread = '', files: readonly HeldFile[] = []): Held => {
    state.channels.add(channel)
    const held: Held = { ts: nextTs(state, at), channel, thread, user: userOf(from), text, blocks: [], files, edits: 0, states: [] }
    state.messages.push(held)
    return held
  }
  return {
    async say({ from, text, group = false, mention = false, files = [], thread = '', quoted, forwarded = false }) {
      const channel = group ? groupChannel : directOf(from)
      // What is passed on comes as an attachment, whose message it was.
      const written = escaped(forwarded ? '' : text)
      const others = forwarded ? text : quoted
      const kept = files.map((file) => keptFile(state, root, file))
      const { ts } = write(from, channel, mention ? `<@${me.user}> ${written}` : written, undefined, thread, kept)
      const sent = kept.map(({ id, name, length, facts }) => ({ id, name, size: length, ...facts }))
      const more = {
        ...(sent.length > 0 && { subtype: 'file_share', files: sent }),
        ...(thread !== '' && { thread_ts: thread, parent_user_id: state.messages.find((each) => each.ts === thread)?.user ?? '' }),
        ...(others !== undefined && { attachments: [{ is_msg_unfurl: true, text: escaped(others) }] }),
      }
      tell({ channel, channel_type: typeOf(channel), user: userOf(from), ts, text: state.messages.at(-1)!.text, ...more }, ts)
      return { chat: { space: team, chat: channel, thread }, message: ts }
    },
    sayUnheard(from, text, at, thread) {
      const { channel, ts } = write(from, directOf(from), text, at, thread)
      return { chat: channel, message: ts }
    },
    command(from, text) {
      const payload = { command: '/oxbow', text, channel_id: directOf(from), user_id: userOf(from), user_name: from, team_id: team }
      sockets.deliver('slash_commands', { ...payload, trigger_id: nextTs(state) }, `command ${text}`)
    },
    async rewrite({ chat }, message, text) {
      const held = state.messages.find(({ ts }) => ts === message)!
      held.text = text
      const now = { type: 'message', user: held.user, ts: message, text, edited: { user: held.user, ts: nextTs(state) } }
      tell({ subtype: 'message_changed', channel: chat, channel_type: typeOf(chat), ts: nextTs(state), message: now }, message)
    },
    async press({ chat }, message, data, from) {
      const shownTo = Promise.withResolvers<string>()
      state.shown.set(`${chat} ${userOf(from)}`, shownTo)
      const held = state.messages.find(({ ts }) => ts === message)
      const element = held?.blocks
        .flatMap((block) => (block.type === 'actions' ? block.elements : []))
        .find((each) => each.type === 'button' && each.value === data)
      const payload = {
        type: 'block_actions',
        user: { id: userOf(from), name: from },
        team: { id: team },
        channel: { id: chat },
        message: { type: 'message', ts: message },
        actions: [{ type: 'button', value: data, action_id: actionOf(element), action_ts: nextTs(state) }],
      }
      sockets.deliver('interactive', payload, `press ${message}`)
      return shownTo.promise
    },
    ...switchesOf(state, sockets),
  }
}

const actionOf = (element: object | undefined): unknown => (element !== undefined && 'action_id' in element ? element.action_id : '')

/** What changes how the server behaves, and what it has counted. */
function switchesOf(
  state: SlackState,
  sockets: SocketMode,
): Omit<SlackFake, 'settings' | 'close' | 'say' | 'sayUnheard' | 'command' | 'rewrite' | 'press' | 'space' | 'idOf' | 'menu' | 'clockOff'> {
  return {
    standing: () => standing(state),
    seen: (id) => state.messages.find(({ ts }) => ts === id)?.states ?? [],
    requests: (method) => state.requests.get(method) ?? 0,
    repeatUpdates: () => void (state.isRepeating = true),
    acknowledged: () => state.acknowledged,
    throttle: (seconds) => void (state.throttleS = seconds),
    loseAnswer: () => void (state.losesAnswer = true),
    refuseConnection: () => void (state.refusesConnection = true),
    revoke: () => void (state.isRevoked = true),
    lackScope: (scope) => void (state.scopes = neededScopes.filter((each) => each !== scope).join(',')),
    removeFrom: (chat) => void state.removedFrom.add(chat),
    inviteTo: (chat) => void state.removedFrom.delete(chat),
    connections: sockets.count,
    refresh: sockets.refresh,
    cut: sockets.cut,
  }
}

function standing(state: SlackState): ReturnType<SlackFake['standing']> {
  return state.messages
    .filter(({ user }) => user === me.user)
    .map(({ ts, channel, thread, edits, files, ...held }) => ({
      chat: channel,
      thread,
      id: ts,
      text: shownText(held),
      edits,
      files: files.map(({ name, length }) => ({ name, bytes: length })),
      buttons: held.blocks.flatMap((block) =>
        block.type === 'actions'
          ? [block.elements.flatMap((each) => (each.type === 'button' ? [{ label: each.text.text, data: each.value ?? '' }] : []))]
          : [],
      ),
    }))
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function answer(state: SlackState, sockets: SocketMode, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await bodyOf(request)
  const { pathname } = new URL(request.url ?? '', 'http://local')
  const root = `http://${request.headers.host}`
  const [, kind = '', name = ''] = pathname.split('/')
  if (kind === 'files') return sendFile(state, name, request, response)
  if (kind === 'upload') {
    const file = state.files.get(name)
    if (file === undefined || file.length !== body.length) return void response.writeHead(400).end()
    file.bytes = body
    return void response.writeHead(200).end('OK')
  }
  const form = Object.fromEntries(new URLSearchParams(body.toString())) as Form
  state.requests.set(name, (state.requests.get(name) ?? 0) + 1)
  const isSending = sends(name)
  if (isSending && state.refusesConnection) {
    state.refusesConnection = false
    return void request.socket.destroy()
  }
  const waitS = throttled(state, name, form)
  if (waitS > 0) return void response.writeHead(429, { 'retry-after': String(waitS) }).end('{"ok":false,"error":"ratelimited"}')
  const found = outcome(state, sockets, name, form, request, root)
  if (isSending && state.losesAnswer) {
    state.losesAnswer = false
    return void request.socket.destroy()
  }
  const date = new Date(Date.now() + state.clockOffMs).toUTCString()
  response.writeHead(200, { date, 'content-type': 'application/json', 'x-oauth-scopes': state.scopes, 'x-accepted-oauth-scopes': '' })
  response.end(JSON.stringify(found))
}

function outcome(state: SlackState, sockets: SocketMode, method: string, form: Form, request: IncomingMessage, root: string): object {
  try {
    const isApp = method === 'apps.connections.open'
    if (state.isRevoked || request.headers.authorization !== `Bearer ${isApp ? state.appToken : state.token}`)
      throw new SlackRefusal('invalid_auth')
    return { ok: true, ...(isApp ? { url: sockets.open(root) } : callMethod(state, method, form, root)) }
  } catch (error) {
    if (error instanceof SlackRefusal) return { ok: false, error: error.message, ...error.more }
    return { ok: false, error: `invalid_blocks`, response_metadata: { messages: [String(error)] } }
  }
}

function sendFile(state: SlackState, id: string, request: IncomingMessage, response: ServerResponse): void {
  const file = state.files.get(id)
  if (request.headers.authorization !== `Bearer ${state.token}` || file === undefined || file.bytes === null)
    return void response.writeHead(403).end()
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': file.bytes.length })
  // In pieces, as it would come over a network.
  for (let at = 0; at < file.bytes.length; at += 16_384) response.write(file.bytes.subarray(at, at + 16_384))
  response.end()
}

/**
 * Discord on loopback: its REST API, which the official client talks to by `api`, and its gateway. It is strict about lengths, mentions, nonces,
 * buckets and sessions, and it counts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChannelFake } from '../../../src/channels/channel-contract.ts'
import {
  application,
  type Asked,
  callRoute,
  directId,
  DiscordRefusal,
  type DiscordState,
  groupChannel,
  guild,
  type Held,
  me,
  nextId,
  shown,
} from './discord-api.ts'
import { createGateway, type Gateway } from './discord-gateway.ts'
import { readDiscord } from './discord-text.ts'

/** The server, with what only Discord has. */
export interface DiscordFake extends ChannelFake {
  /** Ids are unique in all of Discord. */
  readonly space: string
  /** The id of a person, as events have it. */
  idOf(name: string): string
  /** All states of a message, as people have seen them. */
  seen(id: string): readonly string[]
  /** Somebody says something in the group while nothing is connected: it is in the history alone. */
  sayUnheard(from: string, text: string, at?: number): void
  command(from: string, name: string, text: string): void
  remove(message: string): void
  menu(): readonly string[]
  /** By how much its clock differs from this machine's. */
  clockOff(ms: number): void
  /** As `sayUnheard`, in a direct chat. */
  sayUnheardDirectly(from: string, text: string): void
  identified(how: 'identify' | 'resume'): number
  turnOffIntent(): void
  removeFrom(chat: string): void
  inviteTo(chat: string): void
  readonly gateway: Gateway
}

interface Switches {
  isRevoked: boolean
  isRepeating: boolean
  throttleS: number
  losesAnswer: boolean
  refusesConnection: boolean
  canRead: boolean
  root: string
  readonly files: Map<string, Uint8Array>
  readonly identified: string[]
}

/** @returns a server of its own */
export async function startDiscordFake(): Promise<DiscordFake> {
  const token = 'FakeTokenForTestsOnly123456.Abc123.FakeTokenForTestsOnly1234567890'
  const state: DiscordState = {
    token,
    messages: [],
    channels: new Set([groupChannel]),
    removedFrom: new Set(),
    shown: new Map(),
    answered: new Set(),
    buckets: new Map(),
    menu: [],
    last: 0n,
    clockOffMs: 0,
  }
  const switches: Switches = {
    isRevoked: false,
    isRepeating: false,
    throttleS: 0,
    losesAnswer: false,
    refusesConnection: false,
    canRead: true,
    root: '',
    files: new Map(),
    identified: [],
  }
  const gateway = createGateway({
    address: () => switches.root.replace('http', 'ws'),
    accepts: (given) => given === token && !switches.isRevoked,
    readsContent: () => switches.canRead,
    ready: { user: me, guilds: [{ id: guild, unavailable: true }], shard: [0, 1], application: { id: application, flags: 1 << 19 } },
    onIdentify: (how) => switches.identified.push(how),
  })
  const server = createServer((request, response) => void answer(state, switches, gateway, request, response))
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  switches.root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ...peopleOf(state, switches, gateway),
    ...switchesOf(state, switches),
    standing: () => standing(state),
    seen: (id) => state.messages.find((each) => each.id === id)?.states ?? [],
    space: '',
    clockOff: (ms) => void (state.clockOffMs = ms),
    gateway,
    settings: { name: 'discord', kind: 'discord', secrets: { token }, options: { api_url: `${switches.root}/api` } },
    async close() {
      gateway.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type People = Pick<DiscordFake, 'idOf' | 'sayUnheardDirectly' | 'say' | 'sayUnheard' | 'command' | 'remove' | 'rewrite' | 'press'>

const threadOf = (name: string): string => String(BigInt(groupChannel) + 1_000n + BigInt(name))
const isInGuild = (channel: string): boolean => BigInt(channel) >= BigInt(groupChannel)
const place = (channel: string): object => (isInGuild(channel) ? { guild_id: guild } : {})

/** Who is there, and what they do. */
function crowdOf(state: DiscordState, switches: Switches, gateway: Gateway) {
  const people = new Map<string, object & { readonly id: string }>()
  const person = (name: string, display = name): object & { readonly id: string } => {
    const id = String(8_000_000_000_000_000_000n + BigInt(people.size))
    const found = people.get(name) ?? { id, username: name, discriminator: '0', avatar: null, global_name: name }
    people.set(name, found)
    return Object.assign({}, found, { global_name: display })
  }
  const tell = (type: string, data: object): void => {
    for (let times = switches.isRepeating ? 2 : 1; times > 0; times -= 1) gateway.dispatch(type, data)
  }
  return {
    tell,
    person,
    directOf: (name: string): string => directId(person(name).id),
    write(from: string, channel: string, content: string, at?: number, attachments: Held['attachments'] = []): Held {
      state.channels.add(channel)
      const empty = { components: [], nonce: '', edited_timestamp: null, edits: 0, states: [] }
      const held: Held = { id: nextId(state, at), channel_id: channel, author: person(from), content, attachments, ...empty }
      state.messages.push(held)
      return held
    },
    /** @returns its token */
    interact(from: string, channel: string, more: object): string {
      const token = `token-${nextId(state)}`
      const user = isInGuild(channel) ? { member: { user: person(from) } } : { user: person(from) }
      const where = { channel_id: channel, channel: { id: channel, type: 1 }, ...place(channel) }
      tell('INTERACTION_CREATE', { id: nextId(state), application_id: application, token, version: 1, ...where, ...user, ...more })
      return token
    },
  }
}

function peopleOf(state: DiscordState, switches: Switches, gateway: Gateway): People {
  const { tell, person, directOf, write, interact: interaction } = crowdOf(state, switches, gateway)
  return {
    idOf: (name) => person(name).id,
    async say({ from, text, group = false, mention = false, files = [], thread = '', quoted, forwarded = false, shown: display = from }) {
      const channel = thread !== '' ? threadOf(thread) : group ? groupChannel : directOf(from)
      const written = forwarded ? '' : text
      const attachments = files.map(({ name, bytes, recorded = false }) => {
        const id = nextId(state)
        switches.files.set(id, bytes)
        const type = recorded ? { content_type: 'audio/ogg', duration_secs: 1, waveform: '' } : {}
        return { id, filename: name, size: bytes.length, url: `${switches.root}/attachments/${id}`, ...type }
      })
      const held = write(from, channel, mention ? `<@${me.id}> ${written}` : written, undefined, attachments)
      tell('MESSAGE_CREATE', {
        ...shown(held),
        ...place(channel),
        author: person(from, display),
        mentions: mention ? [me] : [],
        ...(files.some(({ recorded }) => recorded === true) && { flags: 1 << 13 }),
        ...(quoted !== undefined && { type: 19, referenced_message: { id: '1', content: quoted, author: person('somebody') } }),
        ...(forwarded && { message_snapshots: [{ message: { content: text, attachments: [], type: 0 } }] }),
      })
      return { chat: { space: '', chat: channel, thread: '' }, message: held.id }
    },
    sayUnheardDirectly: (from, text) => void write(from, directOf(from), text),
    sayUnheard: (from, text, at) => void write(from, groupChannel, text, at),
    command: (from, name, text) =>
      void interaction(from, directOf(from), {
        type: 2,
        data: { id: '1', name, type: 1, options: text === '' ? [] : [{ name: 'text', type: 3, value: text }] },
      }),
    remove(message) {
      const held = state.messages.find(({ id }) => id === message)!
      state.messages.splice(state.messages.indexOf(held), 1)
      tell('MESSAGE_DELETE', { id: message, channel_id: held.channel_id, ...place(held.channel_id) })
    },
    async rewrite({ chat }, message, text) {
      const held = state.messages.find(({ id }) => id === message)!
      held.content = text
      held.edited_timestamp = new Date().toISOString()
      tell('MESSAGE_UPDATE', { ...shown(held), ...place(chat) })
    },
    async press({ chat }, message, data, from) {
      const held = state.messages.find(({ id }) => id === message)!
      const key = interaction(from, chat, { type: 3, message: shown(held), data: { custom_id: data, component_type: 2 } })
      const shownTo = Promise.withResolvers<string>()
      state.shown.set(key, shownTo)
      return shownTo.promise
    },
  }
}

type SwitchNames =
  | 'repeatUpdates'
  | 'acknowledged'
  | 'throttle'
  | 'loseAnswer'
  | 'refuseConnection'
  | 'revoke'
  | 'menu'
  | 'identified'
  | 'turnOffIntent'
  | 'removeFrom'
  | 'inviteTo'

function switchesOf(state: DiscordState, switches: Switches): Pick<DiscordFake, SwitchNames> {
  return {
    repeatUpdates: () => void (switches.isRepeating = true),
    acknowledged: () => null,
    throttle: (seconds) => void (switches.throttleS = seconds),
    loseAnswer: () => void (switches.losesAnswer = true),
    refuseConnection: () => void (switches.refusesConnection = true),
    revoke: () => void (switches.isRevoked = true),
    menu: () => state.menu,
    identified: (how) => switches.identified.filter((each) => each === how).length,
    turnOffIntent: () => void (switches.canRead = false),
    removeFrom: (chat) => void state.removedFrom.add(chat),
    inviteTo: (chat) => void state.removedFrom.delete(chat),
  }
}

const standing = (state: DiscordState): ReturnType<DiscordFake['standing']> =>
  state.messages
    .filter(({ author }) => author.id === me.id)
    .map(({ id, channel_id: chat, content, edits, attachments, components }) => ({
      chat,
      id,
      text: readDiscord(content),
      edits,
      files: attachments.map(({ filename, size }) => ({ name: filename, bytes: size })),
      buttons: components.map((row) =>
        row.components.map((button) => ({
          label: 'label' in button ? (button.label ?? '') : '',
          data: 'custom_id' in button ? button.custom_id : '',
        })),
      ),
    }))

/** A bucket for each channel: five in five seconds. */
function takeFrom(state: DiscordState, key: string): Readonly<Record<string, string>> & { readonly left: string } {
  const now = Date.now()
  const found = state.buckets.get(key)
  const bucket = found === undefined || found.resetAt <= now ? { left: 5, resetAt: now + 5_000 } : found
  bucket.left -= 1
  state.buckets.set(key, bucket)
  const resetS = String((bucket.resetAt - now) / 1_000)
  return {
    left: String(bucket.left),
    'x-ratelimit-limit': '5',
    'x-ratelimit-remaining': String(Math.max(0, bucket.left)),
    'x-ratelimit-reset': String(bucket.resetAt / 1_000),
    'x-ratelimit-reset-after': resetS,
    'x-ratelimit-bucket': `bucket-${key.split(' ')[0]}`,
  }
}

async function answer(
  state: DiscordState,
  switches: Switches,
  gateway: Gateway,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const url = new URL(request.url ?? '', 'http://local')
  if (url.pathname.startsWith('/attachments/')) return sendFile(switches.files.get(url.pathname.slice(13)), response)
  const path = url.pathname.replace(/^\/api\/v10/, '')
  const { method = '' } = request
  const isSending = method !== 'GET' && /^\/channels\/\d+\/messages/.test(path)
  if (isSending && switches.refusesConnection) {
    switches.refusesConnection = false
    return void request.socket.destroy()
  }
  const reply = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
    const date = new Date(Date.now() + state.clockOffMs).toUTCString()
    response
      .writeHead(status, { date, 'content-type': 'application/json', ...headers })
      .end(body === null ? undefined : JSON.stringify(body))
  }
  const { left = '', ...limits } = isSending ? takeFrom(state, `${method} ${path.split('/')[2]}`) : { left: '' }
  const waitS = isSending && switches.throttleS > 0 ? switches.throttleS : Number(left) < 0 ? 5 : 0
  if (waitS > 0) {
    switches.throttleS = 0
    return reply(
      429,
      { message: 'You are being rate limited.', retry_after: waitS, global: false },
      { ...limits, 'retry-after': String(waitS), 'x-ratelimit-scope': 'user' },
    )
  }
  try {
    const isOpen = /^\/(?:interactions|webhooks)\//.test(path)
    if (!isOpen && (switches.isRevoked || request.headers.authorization !== `Bot ${state.token}`))
      throw new DiscordRefusal(401, 0, '401: Unauthorized')
    const limit = { total: 1_000, remaining: 999, reset_after: 1, max_concurrency: 1 }
    const asked = { method, path, query: url.searchParams, ...(await bodyOf(request, Buffer.concat(pieces))) }
    const found =
      path === '/gateway/bot'
        ? { url: switches.root.replace('http', 'ws'), shards: 1, session_start_limit: limit }
        : callRoute(state, asked, gateway.dispatch, switches.canRead)
    if (isSending && switches.losesAnswer) {
      switches.losesAnswer = false
      return void request.socket.destroy()
    }
    reply(found === null ? 204 : 200, found, limits)
  } catch (error) {
    if (error instanceof DiscordRefusal) reply(error.status, { message: error.message, code: error.code }, limits)
    else reply(400, { message: String(error), code: 50_035 }, limits)
  }
}

async function bodyOf(request: IncomingMessage, bytes: Buffer): Promise<Pick<Asked, 'body' | 'files'>> {
  const type = request.headers['content-type'] ?? ''
  if (!type.startsWith('multipart/')) return { body: (bytes.length === 0 ? {} : JSON.parse(bytes.toString())) as Asked['body'], files: [] }
  const form = await new Response(new Uint8Array(bytes), { headers: { 'content-type': type } }).formData()
  const files = [...form.values()].flatMap((value) => (typeof value === 'string' ? [] : [{ name: value.name, bytes: value.size }]))
  const field = form.get('payload_json')
  const payload = typeof field === 'string' ? field : '{}'
  return { body: JSON.parse(payload) as Asked['body'], files }
}

function sendFile(bytes: Uint8Array | undefined, response: ServerResponse): void {
  if (bytes === undefined) return void response.writeHead(404).end()
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length })
  for (let at = 0; at < bytes.length; at += 16_384) response.write(bytes.subarray(at, at + 16_384))
  response.end()
}

/** The REST API of Discord that a bot uses: discord.com/developers/docs/reference, with its limits. */
import type { APIActionRowComponent, APIAllowedMentions, APIButtonComponent } from 'discord-api-types/v10'
import { idAt } from '../../../src/channels/discord/discord-inbound.ts'
import { readDiscord } from './discord-text.ts'

export const me = { id: '9000000000000000001', username: 'oxbow', discriminator: '0', avatar: null, global_name: null, bot: true }
export const application = '9000000000000000002'
export const guild = '9000000000000000003'
export const groupChannel = '9000000000000000004'

/** An answer with an error. */
export class DiscordRefusal extends Error {
  readonly status: number
  readonly code: number
  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** A message, by anybody. */
export interface Held {
  readonly id: string
  readonly channel_id: string
  readonly author: object & { readonly id: string }
  content: string
  components: readonly APIActionRowComponent<APIButtonComponent>[]
  readonly attachments: readonly { readonly id: string; readonly filename: string; readonly size: number; readonly url: string }[]
  readonly nonce: string
  edited_timestamp: string | null
  edits: number
  readonly states: string[]
}

/** All that changes. */
export interface DiscordState {
  readonly token: string
  readonly messages: Held[]
  readonly channels: Set<string>
  readonly removedFrom: Set<string>
  readonly shown: Map<string, PromiseWithResolvers<string>>
  readonly answered: Set<string>
  readonly buckets: Map<string, { left: number; resetAt: number }>
  menu: readonly string[]
  last: bigint
  /** By how much its clock differs from this machine's. */
  clockOffMs: number
}

/** @returns an id that nothing else has */
export function nextId(state: DiscordState, at?: number): string {
  const now = Date.now() + state.clockOffMs
  const id = BigInt(idAt(at ?? now))
  state.last = id > state.last || (at !== undefined && at < now - 1_000) ? id : state.last + 1n
  return String(state.last)
}

/** What a message is made of. */
interface Body {
  readonly content?: string
  readonly nonce?: string
  readonly enforce_nonce?: boolean
  readonly components?: readonly APIActionRowComponent<APIButtonComponent>[]
  readonly allowed_mentions?: APIAllowedMentions
  readonly flags?: number
}

/** A request. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly body: Body & Readonly<Record<string, unknown>>
  readonly files: readonly { readonly name: string; readonly bytes: number }[]
}

/** @param dispatch tells the gateway @returns null: there is nothing to say @throws DiscordRefusal */
export function callRoute(state: DiscordState, asked: Asked, dispatch: (type: string, data: object) => void, canRead: boolean): unknown {
  const { method, path, query, body } = asked
  const [, first = '', second = '', third = '', fourth = ''] = path.split('/')
  const route = `${method} ${first}${first === 'users' ? `/${second}` : ''}${third === '' ? '' : `/${third}`}${fourth === '' || first === 'interactions' ? '' : '/'}`
  switch (route) {
    case 'GET users/@me':
      return me
    case 'GET users/@me/guilds':
      return [{ id: guild, name: 'A server' }]
    case 'POST users/@me/channels':
      return directWith(state, String(body['recipient_id']))
    case 'GET applications':
      return { id: application, name: 'Oxbow', flags: canRead ? 1 << 19 : 0 }
    case 'PUT applications/commands':
      return register(state, body)
    case 'GET guilds/channels':
      return [
        {
          id: groupChannel,
          type: 0,
          name: 'general',
          last_message_id: state.messages.findLast((each) => each.channel_id === groupChannel)?.id ?? null,
        },
      ]
    case 'GET channels/messages':
      return history(state, channelOf(state, second), query)
    case 'POST channels/messages':
      return create(state, channelOf(state, second), asked, dispatch)
    case 'PATCH channels/messages/':
      return change(state, channelOf(state, second), fourth, body, dispatch)
    case 'POST channels/typing':
      channelOf(state, second)
      return null
    case `POST interactions/${third}`:
      if (state.answered.has(third)) throw new DiscordRefusal(400, 40_060, 'Interaction has already been acknowledged.')
      state.answered.add(third)
      return null
    case `POST webhooks/${third}`:
      if (!state.answered.has(third)) throw new DiscordRefusal(404, 10_015, 'Unknown Webhook')
      if (body.flags === 64) state.shown.get(third)?.resolve(checked(body, 0))
      return { id: nextId(state) }
    default:
      throw new DiscordRefusal(404, 0, '404: Not Found')
  }
}

/** The channel of a person and the bot; it is there from now on. */
function directWith(state: DiscordState, person: string): object {
  if (!/^8\d{18}$/.test(person)) throw new DiscordRefusal(400, 50_033, 'Invalid Recipient(s)')
  const id = directId(person)
  state.channels.add(id)
  return { id, type: 1 }
}

/** @returns the id of the channel of a person and the bot */
export const directId = (person: string): string => String(BigInt(person) - 1_000_000n)

function register(state: DiscordState, body: unknown): unknown {
  const commands = body as readonly { readonly name: string; readonly description: string }[]
  for (const { name, description } of commands)
    if (!/^[-_\p{Ll}\p{N}]{1,32}$/u.test(name) || description.length < 1 || description.length > 100)
      throw new DiscordRefusal(400, 50_035, 'Invalid Form Body')
  state.menu = commands.map(({ name }) => name)
  return commands
}

function channelOf(state: DiscordState, channel: string): string {
  if (state.removedFrom.has(channel)) throw new DiscordRefusal(403, 50_001, 'Missing Access')
  if (!state.channels.has(channel)) throw new DiscordRefusal(404, 10_003, 'Unknown Channel')
  return channel
}

/** @returns the text, which is within the limits, and mentions nobody */
function checked({ content = '', components = [], allowed_mentions: allowed, nonce = '' }: Body, files: number): string {
  if (content === '' && files === 0) throw new DiscordRefusal(400, 50_006, 'Cannot send an empty message')
  const buttons = components.flatMap((row) => row.components)
  const ids = buttons.map((button) => ('custom_id' in button ? button.custom_id : ''))
  const isWrong =
    content.length > 2_000 ||
    nonce.length > 25 ||
    components.length > 5 ||
    components.some((row) => row.components.length < 1 || row.components.length > 5) ||
    ids.some((id) => id.length < 1 || id.length > 100) ||
    new Set(ids).size < ids.length ||
    buttons.some((button) => 'label' in button && (button.label ?? '').length > 80)
  if (isWrong) throw new DiscordRefusal(400, 50_035, 'Invalid Form Body')
  if (allowed?.parse?.length !== 0) throw new DiscordRefusal(400, 50_035, 'a message of ours may mention somebody')
  readDiscord(content)
  return content
}

function create(state: DiscordState, channel: string, { body, files }: Asked, dispatch: (type: string, data: object) => void): object {
  const content = checked(body, files.length)
  const { nonce = '', enforce_nonce: isEnforced = false, components = [] } = body
  const same = isEnforced && nonce !== '' ? state.messages.find((each) => each.nonce === nonce && each.author.id === me.id) : undefined
  if (same !== undefined) return shown(same)
  const attachments = files.map(({ name, bytes }) => ({ id: nextId(state), filename: name, size: bytes, url: '' }))
  const held: Held = {
    id: nextId(state),
    channel_id: channel,
    author: me,
    content,
    components,
    attachments,
    nonce,
    edited_timestamp: null,
    edits: 0,
    states: [readDiscord(content)],
  }
  state.messages.push(held)
  dispatch('MESSAGE_CREATE', { ...shown(held), ...(nonce !== '' && { nonce }) })
  return { ...shown(held), nonce }
}

function change(state: DiscordState, channel: string, id: string, body: Body, dispatch: (type: string, data: object) => void): object {
  const held = state.messages.find((each) => each.channel_id === channel && each.id === id)
  if (held === undefined) throw new DiscordRefusal(404, 10_008, 'Unknown Message')
  if (held.author.id !== me.id) throw new DiscordRefusal(403, 50_005, 'Cannot edit a message authored by another user')
  held.content = checked(body, held.attachments.length)
  held.components = body.components ?? held.components
  held.edited_timestamp = new Date().toISOString()
  held.edits += 1
  held.states.push(readDiscord(held.content))
  dispatch('MESSAGE_UPDATE', shown(held))
  return shown(held)
}

/** The newest first. A history does not tell nonces. */
function history(state: DiscordState, channel: string, query: URLSearchParams): readonly object[] {
  const limit = Number(query.get('limit') ?? '50')
  if (limit < 1 || limit > 100) throw new DiscordRefusal(400, 50_035, 'Invalid Form Body')
  const before = query.get('before')
  return state.messages
    .filter((each) => each.channel_id === channel && (before === null || BigInt(each.id) < BigInt(before)))
    .toSorted((one, other) => (BigInt(one.id) < BigInt(other.id) ? 1 : -1))
    .slice(0, limit)
    .map(shown)
}

/** As others see it. */
export function shown({ id, channel_id, author, content, components, attachments, edited_timestamp }: Held): object {
  return {
    id,
    channel_id,
    author,
    content,
    components,
    attachments,
    edited_timestamp,
    timestamp: new Date().toISOString(),
    tts: false,
    mention_everyone: false,
    mentions: [],
    mention_roles: [],
    embeds: [],
    pinned: false,
    type: 0,
  }
}

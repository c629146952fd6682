/**
 * Discord, by its gateway. It has no acknowledgement: what could not be taken is tried again here, in the order of its channel, and what was said
 * while nothing was connected is read from the histories.
 */
import { REST, RESTEvents, type RESTOptions } from '@discordjs/rest'
import { type SessionInfo, WebSocketManager, WebSocketShardEvents } from '@discordjs/ws'
import {
  type APIApplication,
  type APIInteraction,
  type APIUser,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationFlags,
  GatewayDispatchEvents,
  type GatewayDispatchPayload,
  GatewayIntentBits,
  InteractionResponseType,
  InteractionType,
  MessageFlags,
  PermissionFlagsBits,
  Routes,
} from 'discord-api-types/v10'
import { createRecentMap, OxbowError } from '../../base/index.ts'
import { createPlatformClock, type PlatformClock } from '../platform-clock.ts'
import type {
  AdapterDeps,
  ChannelAdapter,
  ChannelEvents,
  ChannelLimits,
  ChannelSettings,
  InboundMessage,
  MenuCommand,
  OpenChannel,
} from '../port.ts'
import { type Missed, missedByPeople, missedMessages } from './discord-catch-up.ts'
import { badToken, discordFailure, isAnswered, lacksIntent, startError } from './discord-errors.ts'
import { chatOf, discordHosts, type FileHosts, messageOf, senderOf } from './discord-inbound.ts'
import { createRivalWatch, type RivalWatch } from './discord-rival.ts'
import { sendingBy, type Sending } from './discord-sending.ts'
import { chatKey, createIntake, missedFrom } from '../intake.ts'
import { readOrSkip } from '../retries.ts'

/** From discord.com/developers/docs: messages of 2 000 characters, five in five seconds in a channel, files of 10 MB. */
const limits: ChannelLimits = {
  dialect: 'discord',
  textLength: 2_000,
  chatIntervalMs: 1_000,
  groupPerMinute: Infinity,
  fileBytes: 10_000_000,
  edits: true,
  buttons: true,
  reconciles: true,
}

const intents =
  GatewayIntentBits.Guilds | GatewayIntentBits.GuildMessages | GatewayIntentBits.DirectMessages | GatewayIntentBits.MessageContent
const permissions =
  PermissionFlagsBits.ViewChannel |
  PermissionFlagsBits.SendMessages |
  PermissionFlagsBits.SendMessagesInThreads |
  PermissionFlagsBits.ReadMessageHistory |
  PermissionFlagsBits.AttachFiles
/** A request that takes longer has an unknown end. */
const requestMs = 60_000
/** Who has written which message, for when it is deleted; and channels of two people. */
const maxRemembered = 2_000

/** Opens the account of a bot. Options: `api_url`, the address of another server of the REST API, without its version. */
export const openDiscord: OpenChannel = async (settings, deps) => {
  const { token = '' } = settings.secrets
  if (!/^[\w-]{20,40}\.[\w-]{6}\.[\w-]{25,60}$/.test(token)) throw badToken('does not look like one of Discord')
  return createAdapter(settings, deps, token)
}

function createAdapter({ options, name, since }: ChannelSettings, deps: AdapterDeps, token: string): ChannelAdapter {
  const api = options['api_url'] ?? 'https://discord.com/api'
  // Whoever sends knows when to try again.
  const settings: Partial<RESTOptions> = { api, version: '10', retries: 0, offset: 0, timeout: requestMs, rejectOnRateLimit: () => true }
  const rest = new REST(settings).setToken(token)
  const ending = new AbortController()
  let me = ''
  let application = ''
  let gateway: WebSocketManager | null = null
  const clock = createPlatformClock()
  rest.on(RESTEvents.Response, (_, { headers }) => clock.heard(headers.get('date')))
  let onRival = (): void => {}
  const rival = createRivalWatch(() => onRival(), ending.signal)
  const sending = sendingBy({ rest, me: () => me, clock, rival })
  const { told: _, ...requests } = sending
  return {
    limits,
    ...requests,
    async start(events, menu, signal) {
      const stop = AbortSignal.any([signal, ending.signal])
      const user = await whoAmI(rest)
      me = user.id
      application = user.application
      await rest.put(Routes.applicationCommands(application), { body: menu.map(commandOf), signal: stop }).catch((error: unknown) => {
        throw startError(error)
      })
      const files = new Set([...discordHosts, ...(options['api_url'] === undefined ? [] : [new URL(api).host])])
      const link = newLink({ ...deps, since, rest, me, events, stop, sending, files, clock, rival })
      const opened = await connect(link, token)
      gateway = opened
      onRival = () => {
        events.down('another program answers with the token of this bot', Infinity)
        void Promise.resolve(opened.destroy({ reason: 'another program answers' })).catch(() => {})
      }
      deps.log('discord is connected', { level: 'info', channel: name })
      return {
        id: me,
        name: user.name,
        link: `https://discord.com/users/${me}`,
        console: `Invite it: https://discord.com/oauth2/authorize?client_id=${application}&scope=bot+applications.commands&permissions=${permissions}`,
      }
    },
    async answerButton(press, text) {
      // The press itself was answered at once, as Discord waits for three seconds only.
      if (text !== '')
        await rest.post(Routes.webhook(application, press), { body: { content: text, ...hidden }, auth: false }).catch(() => {})
    },
    async typing({ chat }) {
      await rest.post(Routes.channelTyping(chat)).catch(() => {})
    },
    async close() {
      ending.abort()
      await gateway?.destroy({ reason: 'closed' })
      rest.clearHashSweeper()
      rest.clearHandlerSweeper()
    },
  }
}

const hidden = { flags: MessageFlags.Ephemeral, allowed_mentions: { parse: [] } } as const

const commandOf = ({ name, summary }: MenuCommand) => ({
  type: ApplicationCommandType.ChatInput,
  name,
  description: summary.slice(0, 100),
  options: [{ type: ApplicationCommandOptionType.String, name: 'text', description: 'what comes after the command', required: false }],
})

/** @throws OxbowError with what a person can do */
async function whoAmI(rest: REST): Promise<{ readonly id: string; readonly name: string; readonly application: string }> {
  try {
    const { id, username } = (await rest.get(Routes.user())) as APIUser
    const { id: application, flags } = (await rest.get(Routes.currentApplication())) as APIApplication
    const canRead = flags & (ApplicationFlags.GatewayMessageContent | ApplicationFlags.GatewayMessageContentLimited)
    if (canRead === 0) throw lacksIntent()
    return { id, name: username, application }
  } catch (error) {
    throw error instanceof OxbowError ? error : startError(error)
  }
}

interface LinkDeps extends AdapterDeps, Pick<ChannelSettings, 'since'> {
  readonly rest: REST
  readonly me: string
  readonly events: ChannelEvents
  readonly stop: AbortSignal
  readonly sending: Sending
  readonly files: FileHosts
  readonly clock: PlatformClock
  readonly rival: RivalWatch
}

interface Link extends LinkDeps {
  /** Takes a message, after the earlier ones of its channel, until it is taken. */
  take(message: InboundMessage): void
  /** Authors by message. */
  readonly authors: ReturnType<typeof createRecentMap<string, InboundMessage>>
  readonly direct: Set<string>
}

function newLink(deps: LinkDeps): Link {
  const intake = createIntake(deps.random, deps.stop)
  return {
    ...deps,
    authors: createRecentMap(maxRemembered),
    direct: new Set(),
    take: (message) => void intake.take(chatKey(message), () => deps.events.message(message)),
  }
}

/** Resolves with the first connection; the library continues it, or begins another, from then on. @throws OxbowError */
async function connect(link: Link, token: string): Promise<WebSocketManager> {
  // The library's own store is shared by all bots of a process: one would continue the session of another.
  let session: SessionInfo | null = null
  const gateway = new WebSocketManager({
    token,
    intents,
    rest: link.rest,
    shardCount: 1,
    retrieveSessionInfo: () => session,
    updateSessionInfo: (_, next) => void (session = next),
  })
  const refused = Promise.withResolvers<never>()
  refused.promise.catch(() => {})
  let isUp = false
  let caughtUp: Promise<void> = Promise.resolve()
  gateway.on(WebSocketShardEvents.Error, (error) => {
    refused.reject(error)
    if (isUp && !link.stop.aborted) link.events.down(gatewayError(error).message, Infinity)
  })
  gateway.on(WebSocketShardEvents.SocketError, () => {})
  gateway.on(WebSocketShardEvents.Closed, () => {
    if (isUp && !link.stop.aborted) link.events.down('the connection is lost', 0)
  })
  gateway.on(WebSocketShardEvents.Resumed, () => link.events.up())
  gateway.on(WebSocketShardEvents.Dispatch, (payload) => dispatch(link, payload))
  gateway.on(WebSocketShardEvents.Ready, () => {
    if (isUp) link.events.up()
    isUp = true
    caughtUp = catchUp(link)
  })
  try {
    await Promise.race([gateway.connect(), refused.promise])
    await caughtUp
    return gateway
  } catch (error) {
    await Promise.resolve(gateway.destroy()).catch(() => {})
    throw gatewayError(error)
  }
}

function gatewayError(error: unknown): OxbowError {
  const message = error instanceof Error ? error.message : ''
  if (/authentication failed/i.test(message)) return badToken('is refused by Discord')
  return /intent/i.test(message) ? lacksIntent() : startError(error)
}

/** Resolves when what was said in known places is taken in; who has had no answer yet is looked after behind it, as Discord lets a bot ask. */
async function catchUp(link: Link): Promise<void> {
  const { rest, me, stop } = link
  const lost = (error: unknown): void => {
    if (!stop.aborted) link.events.down(`what was missed could not be read: ${discordFailure(error).why}`, 0)
  }
  try {
    const { chats = [], people = [] } = (await link.places?.()) ?? {}
    const from = missedFrom(link, link.clock.now())
    const known = chats.map(({ chat, kind }) => ({ id: chat, isDirect: kind === 'direct' }))
    const all = [...known, ...[...link.direct].map((id) => ({ id, isDirect: true }))]
    await takeMissed(link, missedMessages(rest, me, all, from, stop))
    void takeMissed(link, missedByPeople(rest, me, people, from, stop)).catch(lost)
  } catch (error) {
    lost(error)
  }
}

async function takeMissed(link: Link, missed: AsyncIterable<Missed>): Promise<void> {
  for await (const { message, isDirect } of missed) {
    const found = readOrSkip(() => messageOf(message, 'new', isDirect, link.me, link.files))
    // What the gateway has told since is on its way.
    if (found === null || link.authors.get(found.message) !== undefined) continue
    link.authors.put(found.message, found)
    link.take(found)
  }
}

function dispatch(link: Link, { t: type, d: data }: GatewayDispatchPayload): void {
  if (type === GatewayDispatchEvents.MessageCreate || type === GatewayDispatchEvents.MessageUpdate) {
    if (data.author?.id === link.me) {
      if (typeof data.nonce === 'string') {
        link.sending.told(data.nonce, data.id)
        if (type === GatewayDispatchEvents.MessageCreate) link.rival.heard(data.channel_id, data.id, data.nonce)
      }
      return
    }
    const isDirect = data.guild_id === undefined
    if (isDirect && link.direct.size < maxRemembered) link.direct.add(data.channel_id)
    const change = type === GatewayDispatchEvents.MessageCreate ? 'new' : 'edited'
    const message = readOrSkip(() => messageOf(data, change, isDirect, link.me, link.files))
    if (message === null) return
    link.authors.put(message.message, message)
    link.take(message)
  } else if (type === GatewayDispatchEvents.MessageDelete) {
    const before = link.authors.get(data.id)
    if (before !== undefined) link.take({ ...before, text: '', files: [], quoted: [], change: 'deleted' })
  } else if (type === GatewayDispatchEvents.InteractionCreate) void interact(link, data)
}

/** Answers at once, as Discord waits for three seconds only. Never rejects. */
async function interact(link: Link, interaction: APIInteraction): Promise<void> {
  const user = interaction.member?.user ?? interaction.user
  const channel = interaction.channel?.id
  if (user === undefined || channel === undefined) return
  /** @returns false where it was answered before, by another delivery of it or another program */
  const respond = (body: object): Promise<boolean> =>
    link.rest.post(Routes.interactionCallback(interaction.id, interaction.token), { body, auth: false }).then(
      () => true,
      (error: unknown) => !isAnswered(error),
    )
  if (interaction.type === InteractionType.MessageComponent) {
    if (!(await respond({ type: InteractionResponseType.DeferredMessageUpdate }))) return
    const { id, data } = { id: interaction.message.id, data: interaction.data.custom_id }
    try {
      await link.events.press({ ...chatOf(channel), press: interaction.token, message: id, sender: senderOf(user), data })
    } catch {
      const body = { content: 'That did not work. Press it again.', ...hidden }
      await link.rest.post(Routes.webhook(interaction.application_id, interaction.token), { body, auth: false }).catch(() => {})
    }
  } else if (interaction.type === InteractionType.ApplicationCommand && interaction.data.type === ApplicationCommandType.ChatInput) {
    const [option] = interaction.data.options ?? []
    const words = option?.type === ApplicationCommandOptionType.String ? ` ${option.value}` : ''
    const text = `/${interaction.data.name}${words}`
    const shown = { type: InteractionResponseType.ChannelMessageWithSource, data: { content: text.slice(0, 200), ...hidden } }
    if (!(await respond(shown))) return
    const isDirect = interaction.guild_id === undefined
    const common = { mentionsUs: true, repliesToUs: false, quoted: [], files: [], isVerified: true, change: 'new' as const }
    link.take({
      ...chatOf(channel),
      ...common,
      message: interaction.id,
      sender: senderOf(user),
      at: Date.now(),
      text,
      kind: isDirect ? 'direct' : 'group',
    })
  }
}

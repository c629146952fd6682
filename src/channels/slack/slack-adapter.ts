/**
 * Slack, by Socket Mode: the connection goes out from here. An envelope is acknowledged when its message is in the journal. What was said while
 * nothing was connected is read from the histories, in order, at most a day of it; a message that comes both ways has the same id.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SocketModeClient } from '@slack/socket-mode'
import { type Logger, LogLevel, WebClient, type WebClientOptions } from '@slack/web-api'
import { OxbowError } from '../../base/index.ts'
import { createPlatformClock, type PlatformClock } from '../platform-clock.ts'
import type { AdapterDeps, ChannelAdapter, ChannelEvents, ChannelLimits, ChannelSettings, InboundMessage, OpenChannel } from '../port.ts'
import { missedMessages } from './slack-catch-up.ts'
import { badToken, lacksScopes, slackFailure, startError } from './slack-errors.ts'
import { fileOpener } from './slack-files.ts'
import { commandOf, type Me, messageOf, type OpenFile, pressOf, type SlackMessage } from './slack-inbound.ts'
import { neededScopes, slackManifest } from './slack-manifest.ts'
import { sendingBy } from './slack-sending.ts'
import { chatKey, createIntake, type Intake, missedFrom } from '../intake.ts'
import { pauseFor, retryMs } from '../retries.ts'

/** From docs.slack.dev/apis/web-api/rate-limits and reference/block-kit: one message a second in a channel, 3 000 characters in a block. */
const limits: ChannelLimits = {
  dialect: 'slack',
  textLength: 3_000,
  chatIntervalMs: 1_000,
  groupPerMinute: Infinity,
  fileBytes: 20_000_000,
  edits: true,
  buttons: true,
  reconciles: true,
}

/** A request that takes longer has an unknown end. */
const requestMs = 60_000

/** The libraries log whole messages and addresses with secrets: nothing of it is kept. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel: () => LogLevel.ERROR, setName() {} }

/** Opens the bot of an app. Options: `api_url`, the address of another Web API server. */
export const openSlack: OpenChannel = async (settings, deps) => {
  const { token = '', app_token: appToken = '' } = settings.secrets
  if (!/^xoxb-[\w-]{10,200}$/.test(token)) throw badToken('bot', 'does not look like one of Slack')
  if (!/^xapp-[\w-]{10,300}$/.test(appToken)) throw badToken('app', 'does not look like one of Slack')
  return createAdapter(settings, deps, token, appToken)
}

function createAdapter({ options, name, since }: ChannelSettings, deps: AdapterDeps, token: string, appToken: string): ChannelAdapter {
  const slackApiUrl = options['api_url'] ?? 'https://slack.com/api/'
  const clock = createPlatformClock()
  const request: WebClientOptions = {
    slackApiUrl,
    async fetch(...asked) {
      const answer = await fetch(...asked)
      clock.heard(answer.headers.get('date'))
      return answer
    },
    logger: silent,
    timeout: requestMs,
    // Whoever sends knows when to try again.
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
  }
  const web = new WebClient(token, request)
  const ending = new AbortController()
  let me: Me = { team: '', user: '', bot: '' }
  let connected: Promise<void> = Promise.resolve()
  return {
    limits,
    ...sendingBy(web, () => me.user, clock),
    async start(events, _menu, signal) {
      const stop = AbortSignal.any([signal, ending.signal])
      const known = await whoAmI(web)
      me = known
      const intake = createIntake(deps.random, stop)
      const link = { ...deps, since, web, request, appToken, me, events, stop, intake, open: fileOpener(token, slackApiUrl), clock }
      const socket = await connectFirst(link)
      await catchUp(link)
      deps.log('slack is connected', { level: 'info', channel: name })
      connected = stayConnected(link, socket)
      return {
        id: known.user,
        name: `${known.name} in ${known.teamName}`,
        link: `https://slack.com/app_redirect?team=${known.team}&channel=${known.user}`,
        console: slackManifest(),
      }
    },
    async answerButton(press, text) {
      const [channel, user, thread] = JSON.parse(press) as [string, string, string]
      if (text !== '') await web.chat.postEphemeral({ channel, user, text, ...(thread !== '' && { thread_ts: thread }) }).catch(() => {})
    },
    // Slack shows it for people only.
    typing: async () => {},
    async close() {
      ending.abort()
      await connected
    },
  }
}

async function whoAmI(web: WebClient): Promise<Me & { readonly name: string; readonly teamName: string }> {
  const answer = await web.auth.test().catch((error: unknown) => {
    throw startError(error, 'bot')
  })
  const scopes = answer.response_metadata?.scopes
  const missing = scopes === undefined ? [] : neededScopes.filter((scope) => !scopes.includes(scope))
  if (missing.length > 0) throw lacksScopes(missing)
  const { team_id: team = '', user_id: user = '', bot_id: bot = '', user: name = '', team: teamName = '' } = answer
  if (bot === '') throw badToken('bot', 'is one of a person')
  return { team, user, bot, name, teamName }
}

interface Link extends AdapterDeps, Pick<ChannelSettings, 'since'> {
  readonly web: WebClient
  readonly request: WebClientOptions
  readonly appToken: string
  readonly me: Me
  readonly events: ChannelEvents
  readonly stop: AbortSignal
  readonly intake: Intake
  readonly open: OpenFile
  readonly clock: PlatformClock
}

/** A connection, until it ends. */
interface Socket {
  readonly over: Promise<void>
  /** Connections that the app has, with this one. */
  readonly connections: number
  end(): void
}

/** Pauses between looks whether another connection has ended: Slack closes what an earlier process of ours left open. */
const busyPausesMs = [1_000, 2_000, 4_000, 8_000, 15_000]

/**
 * Slack gives each message to one of the connections of an app: two programs would take them from each other.
 * @throws OxbowError with what a person can do
 */
async function connectFirst(link: Link): Promise<Socket> {
  for (const pauseMs of [...busyPausesMs, 0]) {
    const socket = await connect(link, true)
    if (socket.connections <= 1) return socket
    socket.end()
    await socket.over
    if (pauseMs > 0) await sleep(pauseMs, undefined, { signal: link.stop })
  }
  throw new OxbowError('workspace_busy', 'Another program receives the messages of this Slack app.', {
    hint: 'Stop the other one, or make an app of its own for each, then: oxbow channel test slack.',
  })
}

/** @param isAlone whether nothing is taken in where the app has another connection @throws OxbowError with what a person can do */
async function connect(link: Link, isAlone = false): Promise<Socket> {
  // It would connect again by itself, and end the process where that fails.
  const client = new SocketModeClient({
    appToken: link.appToken,
    autoReconnectEnabled: false,
    logger: silent,
    clientOptions: { ...link.request },
  })
  const over = Promise.withResolvers<void>()
  client.on('disconnected', over.resolve)
  client.on('error', () => {})
  let connections = 1
  client.on('ws_message', (data: unknown) => void (connections = connectionsIn(data) ?? connections))
  // What is not acknowledged goes to the other connection.
  client.on('slack_event', (event: Envelope) => void ((!isAlone || connections <= 1) && take(link, event)))
  const end = (): void => void client.disconnect().catch(() => {})
  link.stop.addEventListener('abort', end, { once: true })
  try {
    await Promise.race([
      client.start(),
      over.promise.then(() => {
        throw new OxbowError('guest_unreachable', 'Slack has ended the connection.', { hint: 'It is tried again.' })
      }),
    ])
  } catch (error) {
    link.stop.removeEventListener('abort', end)
    throw error instanceof OxbowError ? error : startError(error, 'app')
  }
  return { over: over.promise.finally(() => link.stop.removeEventListener('abort', end)), connections, end }
}

/** @returns what the first message of a connection says; null: it is another one */
function connectionsIn(data: unknown): number | null {
  if (typeof data !== 'string' || !data.includes('num_connections')) return null
  try {
    const { type, num_connections: count } = JSON.parse(data) as { readonly type?: unknown; readonly num_connections?: unknown }
    return type === 'hello' && typeof count === 'number' ? count : null
  } catch {
    return null
  }
}

/** Slack opens another connection before it ends one, and tells so; nothing is missed where the next one is there at once. */
async function stayConnected(link: Link, first: Socket): Promise<void> {
  let socket: Socket | null = first
  for (let failures = 0; !link.stop.aborted;) {
    if (socket !== null) await socket.over
    if (link.stop.aborted) return
    try {
      socket = await connect(link)
      await catchUp(link)
      if (failures > 0) link.events.up()
      failures = 0
    } catch (error) {
      socket = null
      failures += 1
      const isFinal = error instanceof OxbowError && error.code === 'unauthenticated'
      const waitMs = isFinal ? Infinity : retryMs(failures, link.random)
      link.events.down(error instanceof OxbowError ? error.message : 'the connection is lost', waitMs)
      if (isFinal) return
      await pauseFor(waitMs, link.stop)
    }
  }
}

interface Envelope {
  readonly ack: (response?: Record<string, unknown>) => Promise<void>
  readonly type: string
  readonly body: unknown
}

/** What is not taken is not acknowledged, so that it comes again. Never rejects. */
async function take(link: Link, { ack, type, body }: Envelope): Promise<void> {
  try {
    if (await taken(link, type, body)) await ack()
  } catch {
    // It comes again, or is in the history.
  }
}

/** @returns false: the channel ends before */
async function taken({ me, open, events, intake }: Link, type: string, body: unknown): Promise<boolean> {
  const message = async (said: InboundMessage | null): Promise<boolean> =>
    said === null || intake.take(chatKey(said), () => events.message(said))
  if (type === 'events_api') {
    const { event } = body as { readonly event: SlackMessage & { readonly type: string } }
    // A mention comes as a message as well.
    return event.type !== 'message' || message(messageOf(event, me, open))
  }
  if (type === 'slash_commands') return message(commandOf(body, me))
  const press = type === 'interactive' ? pressOf(body, me) : null
  return press === null || intake.take(`press ${press.message} ${press.sender.id}`, () => events.press(press))
}

/** @throws OxbowError where a history cannot be read */
async function catchUp({ since, web, me, open, events, stop, clock, places, intake }: Link): Promise<void> {
  try {
    const known = (await places?.())?.chats ?? []
    for await (const message of missedMessages({ web, me, open, known, from: missedFrom({ since }, clock.now()), stop }))
      void intake.take(chatKey(message), () => events.message(message))
    await intake.settled()
  } catch (error) {
    if (stop.aborted) return
    const failure = slackFailure(error)
    if (failure.why !== 'gone') throw startError(error, 'bot')
  }
}

/**
 * Webhooks: what other programs post to `/hooks/NAME` of the gateway. A body is believed only with a signature by the channel's secret, and what it
 * says is a stranger's in any case: it becomes a message of a member, who decides nothing.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { isObject, OxbowError, type Random, truncate } from '../../../base/index.ts'
import type { ChannelSettings } from '../../../config/index.ts'
import type { Core } from '../../../kernel/index.ts'
import { maxHookAgeMs, maxHookTextChars } from '../limits.ts'
import { githubMessage } from './github-message.ts'
import { grafanaMessage } from './grafana-message.ts'
import { contentId, type HookMessage, type HookRequest } from './hook-message.ts'

interface Template {
  /** @throws OxbowError `unauthenticated` */
  verify(secret: string, request: HookRequest, now: number): void
  /** @returns null for what says nothing, such as a ping */
  read(body: object, request: HookRequest): HookMessage | null
}

/** By whom a body is written. */
const templates: Readonly<Record<string, Template>> = {
  json: { verify: verifyStandard, read: plainMessage },
  github: { verify: verifyGithub, read: ({ ...body }, request) => githubMessage(body, request) },
  grafana: { verify: verifyGrafana, read: ({ ...body }, request) => grafanaMessage(body, request) },
}

const templateOf = ({ template = 'json' }: ChannelSettings['options']): Template | undefined =>
  Object.hasOwn(templates, template) ? templates[template] : undefined

/** 24 bytes, as Standard Webhooks writes them; GitHub and Grafana take the whole text as the key. */
export const newWebhookSecret = (random: Random): string => `whsec_${Buffer.from(random.bytes(24)).toString('base64')}`

/** @throws OxbowError `bad_input` for settings that cannot work */
export function checkWebhook({ options, secrets }: Pick<ChannelSettings, 'options' | 'secrets'>): void {
  const { template = 'json', url } = options
  if (templateOf(options) === undefined)
    throw new OxbowError('bad_input', `There is no template ${JSON.stringify(template)}.`, {
      hint: `Choose one of ${Object.keys(templates).join(', ')}: --option template=github`,
    })
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    throw new OxbowError('bad_input', 'The address for answers is not a web address.', {
      hint: '--option url=https://example.com/hook',
    })
  const { secret = '' } = secrets
  if (secret.length < minSecretChars)
    throw new OxbowError('bad_input', `The secret has fewer than ${minSecretChars} characters.`, {
      hint: 'Leave it out, and a good one is made.',
    })
  if (template === 'json' && !/^(?:whsec_)?[A-Za-z0-9+/]+=*$/.test(secret))
    throw new OxbowError('bad_input', 'The secret is not in the form of Standard Webhooks.', {
      hint: 'It is `whsec_` and base64. Leave it out, and one is made.',
    })
}

const minSecretChars = 16

/** @returns where a channel is posted to; without the origin where the system chooses the port, which is not known here */
export function hookAddress({ config }: Pick<Core, 'config'>, name: string): string {
  const { public_url: url, host, port } = config.gateway
  const origin = url !== '' ? url.replace(/\/$/, '') : port === 0 ? '' : `http://${host}:${port}`
  return `${origin}/hooks/${name}`
}

/** @returns what the request says; null: nothing @throws OxbowError `unauthenticated`, `bad_input` */
export function readHook(options: ChannelSettings['options'], secret: string, request: HookRequest, now: number): HookMessage | null {
  const template = templateOf(options)
  if (template === undefined || secret === '') throw refused('there is no secret to check it with')
  template.verify(secret, request, now)
  let body: unknown
  try {
    body = JSON.parse(request.body.toString())
  } catch {
    // What is no JSON is refused below.
  }
  if (!isObject(body))
    throw new OxbowError('bad_input', 'The body is not a JSON object.', { hint: 'Send one, with Content-Type: application/json.' })
  const message = template.read(body, request)
  return message && { ...message, text: truncate(message.text, maxHookTextChars) }
}

/** Why a request is not believed. The hint is for whoever has made the channel. */
function refused(why: string): OxbowError {
  return new OxbowError('unauthenticated', `The webhook is refused: ${why}.`, {
    hint: 'Sign it with the secret that `oxbow channel add` has shown, and check the clocks of both machines.',
  })
}

/** Body, id and time are signed. The library compares in constant time, and takes five minutes of difference. */
function verifyStandard(secret: string, { headers, body }: HookRequest): void {
  try {
    new Webhook(secret).verify(body, { ...headers }, { jsonParse: false })
  } catch (error) {
    throw refused(error instanceof Error ? error.message.toLowerCase() : 'it cannot be checked')
  }
}

/** GitHub signs no time: what comes again is the same message for ever, by its content. */
function verifyGithub(secret: string, { headers, body }: HookRequest): void {
  const [, given = ''] = /^sha256=([0-9a-f]{64})$/.exec(headers['x-hub-signature-256'] ?? '') ?? []
  if (!isSame(given, createHmac('sha256', secret).update(body).digest('hex'))) throw refused('X-Hub-Signature-256 does not match')
}

function verifyGrafana(secret: string, { headers, body }: HookRequest, now: number): void {
  const { 'x-grafana-alerting-signature': given = '', 'x-grafana-alerting-timestamp': at = '' } = headers
  if (!/^\d{1,12}$/.test(at)) throw refused('it has no time: name the timestamp header X-Grafana-Alerting-Timestamp')
  const expected = createHmac('sha256', secret).update(`${at}:`).update(body).digest('hex')
  if (!isSame(given, expected)) throw refused('X-Grafana-Alerting-Signature does not match')
  if (Math.abs(now - Number(at) * 1_000) > maxHookAgeMs) throw refused('it is too old, or from the future')
}

const isSame = (given: string, expected: string): boolean =>
  given.length === expected.length && timingSafeEqual(Buffer.from(given), Buffer.from(expected))

/** A text, and where it belongs; whatever else is shown as it is. */
function plainMessage(body: object, { headers, body: bytes }: HookRequest): HookMessage | null {
  const { text = '', chat, ...rest } = body as Readonly<Record<string, unknown>>
  const others = typeof text === 'string' ? rest : { text, ...rest }
  const said = [
    ...(typeof text === 'string' && text.trim() !== '' ? [text] : []),
    ...(Object.keys(others).length === 0 ? [] : [JSON.stringify(others, null, 1)]),
  ]
  if (said.length === 0) return null
  return {
    chat: typeof chat === 'string' && chat !== '' ? chat.slice(0, 100).toWellFormed() : 'main',
    thread: '',
    message: (headers['webhook-id'] ?? '').slice(0, 200) || contentId(bytes),
    text: ['Webhook:', ...said].join('\n'),
  }
}

/** The secret of Standard Webhooks is base64; one that GitHub or Grafana has is taken as it is. */
export function signerOf(secret: string): Webhook {
  return /^(?:whsec_)?[A-Za-z0-9+/]+=*$/.test(secret) ? new Webhook(secret) : new Webhook(secret, { format: 'raw' })
}

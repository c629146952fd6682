/**
 * Kinds of channels: what each needs to be added, and where a person finds it. A new one is an entry here and one in `src/channels/adapters.ts`;
 * a test compares the two.
 */
import { ownValue, OxbowError } from '../../../base/index.ts'
import type { ChannelSettings } from '../../../config/index.ts'
import { minSecretCharacters } from '../../../secrets/index.ts'

interface ChannelKind {
  /** Names of its secrets: the first is what `--token-stdin` reads where there is one alone. */
  readonly secrets: readonly [string, ...string[]]
  /** What is no secret. */
  readonly options: readonly string[]
  /** Where the secrets come from. */
  readonly origin: string
  /** Other programs post to it at the gateway: where no secret is given one is made, and it has one sender, who is a member. */
  readonly isWebhook?: true
}

const kinds: Readonly<Record<string, ChannelKind>> = {
  discord: {
    secrets: ['token'],
    options: ['api_url'],
    origin: 'discord.com/developers/applications, New Application, Bot, Reset Token shows one; turn on Message Content there.',
  },
  email: {
    secrets: ['password'],
    options: ['address', 'imap', 'smtp', 'user', 'name', 'authserv_id', 'tls', 'settle_ms'],
    origin: 'It is the password of a mailbox of its own; name that by --option address=ox@example.com.',
  },
  slack: {
    secrets: ['token', 'app_token'],
    options: ['api_url'],
    origin: 'api.slack.com/apps, Create New App, From a manifest: docs/channels/slack.md has it, and says where both tokens are.',
  },
  telegram: { secrets: ['token'], options: ['api_root'], origin: '@BotFather in Telegram makes a bot and shows one: /newbot.' },
  webhook: { secrets: ['secret'], options: ['template', 'url'], origin: 'One is made where none is given.', isWebhook: true },
}

/** As they are typed. */
export const channelKinds: readonly string[] = Object.keys(kinds)

/** @throws OxbowError `bad_input` */
export function channelKind(kind: string): ChannelKind {
  const found = ownValue(kinds, kind)
  if (found === undefined)
    throw new OxbowError('bad_input', `${JSON.stringify(kind)} is not a kind of channel.`, {
      hint: `Choose one of ${channelKinds.join(', ')}.`,
    })
  return found
}

/** How the secrets of a kind are piped in. */
export function pipedHint(kind: string): string {
  const { secrets, origin } = channelKind(kind)
  const isOne = secrets.length === 1
  const form = isOne ? '' : ` The file has { ${secrets.map((name) => `"${name}": "…"`).join(', ')} }.`
  return `oxbow channel add ${kind} --token-stdin < ${secrets[0]}${isOne ? '.txt' : 's.json'}.${form} ${origin}`
}

/**
 * @param before the channel of this name, if there is one: its options stay where none is given, and an empty one takes one away
 * @returns the options of the channel
 * @throws OxbowError `bad_input` for what cannot work
 */
export function checkedOptions(
  { name, kind, secrets, options }: ChannelSettings,
  before: Pick<ChannelSettings, 'kind' | 'options'> | undefined,
): ChannelSettings['options'] {
  const needs = channelKind(kind)
  // Who is linked there, and its tokens, are of the other platform.
  if (before !== undefined && before.kind !== kind)
    throw new OxbowError('bad_input', `${name} is a channel of the kind ${before.kind}.`, {
      hint: `Give this one another name by --name, or remove that first: oxbow channel remove ${name}`,
    })
  const unknown = Object.keys(options).find((option) => !needs.options.includes(option))
  if (unknown !== undefined)
    throw new OxbowError('bad_input', `${kind} has no option ${unknown}.`, { hint: `It has ${needs.options.join(', ')}.` })
  const missing = needs.secrets.filter((secret) => !Object.hasOwn(secrets, secret))
  if (missing.length > 0) throw new OxbowError('bad_input', `${kind} needs ${missing.join(' and ')}.`, { hint: pipedHint(kind) })
  const short = needs.secrets.find((secret) => ownValue(secrets, secret)!.length < minSecretCharacters)
  if (short !== undefined)
    throw new OxbowError('bad_input', `The ${short} has fewer than ${minSecretCharacters} characters.`, {
      hint: `So short a one cannot be kept out of logs and answers. ${needs.origin}`,
    })
  return Object.fromEntries(Object.entries({ ...before?.options, ...options }).filter(([, value]) => value !== ''))
}

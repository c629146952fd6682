/** The kinds of channels, as a person adds them. A new one is a line here and one in `src/channels/adapters.ts`; a test compares the two. */
import { ownValue } from '../../base/index.ts'

interface ChannelKind {
  /** Names of its secrets. What is piped in and is no JSON is the first. */
  readonly secrets: readonly [string, ...string[]]
  /** Other programs post to it at the gateway: where no secret is given one is made, and it has one sender, who is a member. */
  readonly isWebhook?: true
}

const kinds: Readonly<Record<string, ChannelKind>> = {
  discord: { secrets: ['token'] },
  email: { secrets: ['password'] },
  slack: { secrets: ['token', 'app_token'] },
  telegram: { secrets: ['token'] },
  webhook: { secrets: ['secret'], isWebhook: true },
}

export const channelKinds: readonly string[] = Object.keys(kinds)

/** @returns undefined for a kind that there is not */
export const channelKind = (name: string): ChannelKind | undefined => ownValue(kinds, name)

/** The fake platforms of chats, by kind: what tests of all of them have in common. */
import type { ChannelFake } from '../../src/channels/channel-contract.ts'
import { type DiscordFake, startDiscordFake } from './fakes/discord.ts'
import { type SlackFake, startSlackFake } from './fakes/slack.ts'
import { startTelegramFake, type TelegramFake } from './fakes/telegram.ts'

/** What every fake of a platform of chats has. */
export interface ChatFake extends ChannelFake {
  /** Workspace in which ids of people are unique; empty: they are unique everywhere. */
  readonly space: string
  /** The id of a person, as the platform has it. */
  idOf(name: string): string
  /** All states of a message, as people have seen them. */
  seen(id: string): readonly string[]
}

export interface Platforms {
  readonly telegram: TelegramFake
  readonly slack: SlackFake
  readonly discord: DiscordFake
}

export type Kind = keyof Platforms

export const kinds: readonly Kind[] = ['telegram', 'slack', 'discord']

/** Starts a platform on loopback. */
export const startPlatform: { readonly [Each in Kind]: () => Promise<Platforms[Each]> } = {
  telegram: () => startTelegramFake(),
  slack: startSlackFake,
  discord: startDiscordFake,
}

/** A platform that ends with its test. */
export async function openPlatform<On extends Kind>(kind: On): Promise<Platforms[On] & AsyncDisposable> {
  const fake: Platforms[On] = await startPlatform[kind]()
  return Object.assign(fake, { [Symbol.asyncDispose]: () => fake.close() })
}

/** What is piped into `oxbow channel add KIND --token-stdin`. */
export function tokenOf({ settings: { secrets } }: ChatFake): string {
  return Object.keys(secrets).length === 1 ? secrets['token']! : JSON.stringify(secrets)
}

/** Options of `channel.add` as the command line has them. */
export function optionsOf({ settings: { options } }: ChatFake): readonly string[] {
  return Object.entries(options).flatMap(([key, value]) => ['--option', `${key}=${value}`])
}

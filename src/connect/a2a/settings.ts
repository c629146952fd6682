/**
 * What is kept of others' agents: agents that a person has added, which are off, and the approved card. One document for each;
 * configured agents have one too, once their card is approved.
 */
import type { CallId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import type { RemoteAgent } from '../../config/index.ts'
import type { KeptDocuments } from '../mcp/settings.ts'
import type { CardSummary } from './card.ts'

interface ApprovedCard {
  readonly hash: string
  readonly card: CardSummary
}

export interface KeptRemote {
  /** Null: the configured ones. */
  readonly settings: RemoteAgent | null
  readonly disabled: boolean
  /** Null: its card is not approved. */
  readonly approved: ApprovedCard | null
}

/** Somebody else's agent and what a person has approved of it. */
export interface NamedRemote {
  readonly name: string
  readonly settings: RemoteAgent
  readonly from: 'config.toml' | 'oxbow remotes'
  readonly kept: KeptRemote
}

export const unknownRemote: KeptRemote = { settings: null, disabled: false, approved: null }

const category = 'system/remotes'

interface Change {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

export interface RemoteSettings {
  /** Configured agents come first; the others cannot have their names. */
  load(): Promise<readonly NamedRemote[]>
  change(of: Change, name: string, next: (kept: KeptRemote | null) => KeptRemote | null): Promise<void>
}

export function createRemoteSettings(config: Readonly<Record<string, RemoteAgent>>, documents: KeptDocuments): RemoteSettings {
  return {
    async load() {
      const kept = new Map((await documents.all(category)).map(({ name, value }) => [name, value as KeptRemote]))
      const configured = Object.entries(config).map(([name, settings]): NamedRemote => ({
        name,
        settings,
        from: 'config.toml',
        kept: kept.get(name) ?? unknownRemote,
      }))
      const added = [...kept].flatMap(([name, value]): NamedRemote[] =>
        value.settings === null || Object.hasOwn(config, name)
          ? []
          : [{ name, settings: value.settings, from: 'oxbow remotes', kept: value }],
      )
      return [...configured, ...added]
    },
    change: async (of, name, next) =>
      void (await documents.change<KeptRemote>(of, category, name, (current) => next(current?.value ?? null))),
  }
}

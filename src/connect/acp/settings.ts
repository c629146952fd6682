/** What is kept of coding agents: those that a person has added, and what of each is approved. One document for each. */
import type { AcpAgent } from '../../config/index.ts'
import type { KeptDocuments } from '../mcp/settings.ts'

export interface KeptCoder {
  /** Null: the configured ones. */
  readonly settings: AcpAgent | null
  /** Digest of what a person has approved; empty: nothing. */
  readonly approved: string
}

/** A coding agent. `approved` is the hash that a person has approved; empty: none. */
export interface NamedCoder {
  readonly name: string
  readonly settings: AcpAgent
  readonly from: 'config.toml' | 'oxbow coders'
  readonly approved: string
}

const category = 'system/coders'

export interface CoderSettings {
  /** Configured agents come first; the others cannot have their names. */
  load(): Promise<readonly NamedCoder[]>
  change(of: Parameters<KeptDocuments['change']>[0], name: string, next: (kept: KeptCoder | null) => KeptCoder | null): Promise<void>
}

export function createCoderSettings(config: Readonly<Record<string, AcpAgent>>, documents: KeptDocuments): CoderSettings {
  return {
    async load() {
      const kept = new Map((await documents.all(category)).map(({ name, value }) => [name, value as KeptCoder]))
      const configured = Object.entries(config).map(([name, settings]): NamedCoder => ({
        name,
        settings,
        from: 'config.toml',
        approved: kept.get(name)?.approved ?? '',
      }))
      const added = [...kept].flatMap(([name, { settings, approved }]): NamedCoder[] =>
        settings === null || Object.hasOwn(config, name) ? [] : [{ name, settings, from: 'oxbow coders', approved }],
      )
      return [...configured, ...added]
    },
    change: async (of, name, next) =>
      void (await documents.change<KeptCoder>(of, category, name, (current) => next(current?.value ?? null))),
  }
}

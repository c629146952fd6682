/**
 * What is kept of servers: those that a person has added, which are off, and what of them is approved. One document for each server; those
 * of the configuration have one too, once something of them is approved.
 */
import type { CallId } from '../../base/index.ts'
import type { Caller } from '../../protocol/index.ts'
import type { McpServer } from '../../config/index.ts'
import type { ToolDefinition } from './definitions.ts'

/** The documents of the kernel. */
export interface KeptDocuments {
  all(category: string): Promise<readonly { readonly name: string; readonly value: unknown }[]>
  change<Value>(
    of: Change,
    category: string,
    name: string,
    next: (current: { readonly value: Value } | null) => Value | null | undefined,
  ): Promise<Value | null>
}

interface Change {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

export interface ApprovedTool {
  readonly hash: string
  /** Last part of the name of its call. */
  readonly part: string
  readonly definition: ToolDefinition
  /** A person says that it changes nothing, so that it may be repeated. */
  readonly readOnly: boolean
  /** False: a person says that nothing leaves through it. */
  readonly sink: boolean
}

/** What a person has approved of a server besides its tools. */
export interface KeptOffers {
  /** Of what the server was then. */
  readonly hash: string
  readonly resources: boolean
  readonly prompts: boolean
}

export interface KeptServer {
  /** Null: the configured ones. */
  readonly settings: McpServer | null
  readonly disabled: boolean
  readonly identity: string
  readonly instructions: string
  readonly tools: readonly ApprovedTool[]
  /** Absent: nothing. */
  readonly offers?: KeptOffers | undefined
}

/** A server and what a person has approved of it. */
export interface NamedServer {
  readonly name: string
  readonly settings: McpServer
  readonly from: 'config.toml' | 'oxbow servers'
  readonly kept: KeptServer
}

export const unknownServer: KeptServer = { settings: null, disabled: false, identity: '', instructions: '', tools: [] }

const category = 'system/servers'

export interface Settings {
  /** Configured servers come first; the others cannot have their names. */
  load(): Promise<readonly NamedServer[]>
  change(of: Change, name: string, next: (kept: KeptServer | null) => KeptServer | null): Promise<void>
}

export function createSettings(config: Readonly<Record<string, McpServer>>, documents: KeptDocuments): Settings {
  return {
    async load() {
      const kept = new Map((await documents.all(category)).map(({ name, value }) => [name, value as KeptServer]))
      const configured = Object.entries(config).map(([name, settings]): NamedServer => ({
        name,
        settings,
        from: 'config.toml',
        kept: kept.get(name) ?? unknownServer,
      }))
      const added = [...kept].flatMap(([name, value]): NamedServer[] =>
        value.settings === null || Object.hasOwn(config, name)
          ? []
          : [{ name, settings: value.settings, from: 'oxbow servers', kept: value }],
      )
      return [...configured, ...added]
    },
    change: async (of, name, next) =>
      void (await documents.change<KeptServer>(of, category, name, (current) => next(current?.value ?? null))),
  }
}

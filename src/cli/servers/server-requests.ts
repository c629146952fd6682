/** The calls about servers of tools that verbs and editors make, and what they return. */
import type { JsonObject, McpServer } from '../../types/index.ts'

type Request = readonly [name: string, input: JsonObject]

export interface ServerLine {
  readonly server: string
  readonly from: string
  readonly what: string
  /** Of variables only those values are shown that name a secret. */
  readonly settings: McpServer
  readonly enabled: boolean
  readonly running: boolean
  readonly approved: number
  readonly quarantined: readonly string[]
  readonly log: string
}

export interface Definition {
  readonly title: string
  readonly description: string
  readonly inputSchema: JsonObject
  readonly outputSchema: JsonObject | null
  readonly annotations: JsonObject
}

export interface Offers {
  readonly resources: boolean
  readonly prompts: boolean
}

export interface ServerDiff {
  readonly server: string
  readonly digest: string
  readonly identity: { readonly approved: string; readonly now: string }
  readonly instructions: { readonly approved: string; readonly now: string }
  readonly offers: { readonly approved: Offers; readonly now: Offers }
  readonly tools: readonly {
    readonly tool: string
    readonly state: string
    readonly problem: string
    readonly approved: Definition | null
    readonly now: Definition | null
    readonly read_only: boolean
    readonly sink: boolean
  }[]
}

/** @returns `{ servers: ServerLine[] }` */
export const listRequest: Request = ['server.list', {}]

export const addRequest = (server: string, settings: JsonObject): Request => ['server.add', { server, settings }]

/** @returns a `ServerDiff` */
export const diffRequest = (server: string): Request => ['server.diff', { server }]

/** @returns `{ approved: string[] }` */
export const approveRequest = (input: JsonObject): Request => ['server.approve', input]

export const switchRequest = (server: string, enabled: boolean): Request => ['server.switch', { server, enabled }]

export const removeRequest = (server: string): Request => ['server.remove', { server }]

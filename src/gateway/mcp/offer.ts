/**
 * What a program gets over MCP, in our own terms: `mcp-server.ts` translates it to the protocol, whatever version the program speaks.
 */
import { type JsonObject, OxbowError } from '../../base/index.ts'

/** One list, a page at a time. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** Absent: this was the last page. */
  readonly next?: string
}

/** A tool, whatever the version of the protocol. */
export interface Tool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: JsonObject
  /** Hints of the protocol. */
  readonly annotations?: JsonObject
}

/** A block of a tool's result. */
export type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image' | 'audio'; readonly data: string; readonly mimeType: string }
  | { readonly type: 'resource'; readonly resource: ResourceContent }

export interface ResourceContent {
  readonly uri: string
  readonly mimeType: string
  readonly text?: string
  /** Base64. */
  readonly blob?: string
}

/** What the program must ask its person before the request can go on. */
export interface Asks {
  /** Requests of the protocol, such as `elicitation/create`, by a name under which the answer comes back. */
  readonly asks: Readonly<Record<string, { readonly method: string; readonly params: JsonObject }>>
  /** Comes back with the answers. The program may change it. */
  readonly state: string
}

export interface ToolResult {
  readonly content: readonly Content[]
  readonly isError?: boolean
  readonly meta?: JsonObject
}

export interface Resource {
  readonly uri: string
  readonly name: string
  readonly mimeType?: string
  readonly size?: number
}

interface ResourceTemplate {
  readonly uriTemplate: string
  readonly name: string
  readonly description: string
}

export interface Prompt {
  readonly name: string
  readonly description: string
  readonly arguments: readonly { readonly name: string; readonly description: string; readonly required: boolean }[]
}

export interface PromptMessage {
  readonly role: 'user' | 'assistant'
  readonly content: Content
}

/** One request of the program. */
export interface Exchange {
  /** Aborted when the program cancels the request or leaves. */
  readonly signal: AbortSignal
  /** The program can ask its person with a form. */
  readonly canAsk: boolean
  /** Answers to what a result before this one has asked; not validated. */
  readonly answers: Readonly<Record<string, unknown>>
  /** As it came back, from whoever; empty: the request is new. */
  readonly state: string
  /** Absent: the program wants no progress. */
  readonly progress?: (done: number, total: number | null, message: string) => void
  log(level: 'debug' | 'info' | 'warning' | 'error', text: string): void
}

/** @throws OxbowError from every method; its message and hint are shown to the program */
export interface Offer {
  /** For the model of the program. */
  readonly instructions: string
  tools(cursor: string): Promise<Page<Tool>>
  call(name: string, input: JsonObject, exchange: Exchange): Promise<ToolResult | Asks>
  resources(cursor: string, exchange: Exchange): Promise<Page<Resource>>
  templates(): Promise<readonly ResourceTemplate[]>
  read(uri: string, exchange: Exchange): Promise<readonly ResourceContent[]>
  /** @returns a function that ends it */
  subscribe(uri: string, onChange: () => void): Promise<() => void>
  prompts(cursor: string): Promise<Page<Prompt>>
  prompt(name: string, input: Readonly<Record<string, string>>, exchange: Exchange): Promise<readonly PromptMessage[]>
  /** @param of the prompt, or the template of a resource @returns values that begin so */
  complete(of: { readonly prompt: string } | { readonly template: string }, argument: string, beginning: string): Promise<readonly string[]>
  /** Another value once the list of tools has changed. */
  version(): unknown
}

/** Lists in pages, whose cursor says where the next one begins. */

/** @returns the number that a cursor of ours has; of an empty one 0 @throws OxbowError `bad_input` */
export function startOf(cursor: string): number {
  const start = cursor === '' ? 0 : Number(/^from-(\d{1,9})$/.exec(cursor)?.[1] ?? Number.NaN)
  if (Number.isNaN(start)) throw new OxbowError('bad_input', 'Unknown cursor.', { hint: 'Leave it out for the first page.' })
  return start
}

export function cursorAt(start: number): string {
  return `from-${start}`
}

export function pageOf<Item>(all: readonly Item[], cursor: string, size: number): Page<Item> {
  const start = startOf(cursor)
  const items = all.slice(start, start + size)
  return start + size < all.length ? { items, next: cursorAt(start + size) } : { items }
}

/** What a search service is to web.search: a request to make, and how its answer is read. */

export type Freshness = 'any' | 'day' | 'week' | 'month' | 'year'

export interface SearchQuery {
  readonly query: string
  /** Most results that are wanted. */
  readonly count: number
  readonly freshness: Freshness
}

/** What the configuration says, checked. */
export interface ServiceAccess {
  /** Without a slash at its end. */
  readonly baseUrl: string
  /** Empty when the service takes none. */
  readonly key: string
  /** Google's id of a search engine; empty elsewhere. */
  readonly engineId: string
}

export interface SearchRequest {
  readonly url: string
  readonly accept: string
  /** The key travels here and never in the URL, which is on record and in error messages. */
  readonly headers: Readonly<Record<string, string>>
}

export interface SearchHit {
  readonly title: string
  readonly url: string
  readonly snippet: string
}

export interface SearchService {
  /** Empty: there is no public one. */
  readonly publicUrl: string
  /** Asked in turn until one is answered in a way that can be read. */
  requests(query: SearchQuery, access: ServiceAccess): readonly SearchRequest[]
  /** @returns hits in the service's order, or null when this is no answer to a search. Never throws. Absent: there are only pages. */
  readonly read?: (body: Buffer) => readonly SearchHit[] | null
  /** Which page of results it has, where it has one. */
  readonly page?: 'duckduckgo' | 'searxng'
}

/** Reads JSON that a stranger wrote. @returns null for what is none */
export function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return null
  }
}

/** @returns the list at the end of a way of field names; null when something else is there */
export function listAt(value: unknown, ...way: readonly string[]): readonly unknown[] | null {
  let at: unknown = value
  for (const name of way) at = fieldOf(at, name)
  return Array.isArray(at) ? at : null
}

export function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name)
  return typeof text === 'string' ? text : ''
}

export function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
}

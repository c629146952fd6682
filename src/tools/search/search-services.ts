import type { SAXParser } from 'parse5-sax-parser'
import { maxPageCharacters } from '../limits.ts'
import { ownValue } from '../../base/index.ts'

// What a search service is to web.search: a request to make, and how its answer is read.

type Freshness = 'any' | 'day' | 'week' | 'month' | 'year'

interface SearchQuery {
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
  readonly engines: readonly string[]
  readonly categories: readonly string[]
  readonly safesearch: Safesearch | null
}

type Safesearch = 'off' | 'moderate' | 'strict'

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

/** Reads JSON that a stranger wrote. @returns null if it is invalid */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    return null
  }
}

/** @returns the list at the end of a way of field names; null when something else is there */
function listAt(value: unknown, ...way: readonly string[]): readonly unknown[] | null {
  let at: unknown = value
  for (const name of way) at = fieldOf(at, name)
  return Array.isArray(at) ? at : null
}

function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name)
  return typeof text === 'string' ? text : ''
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' ? ownValue(value as Record<string, unknown> | null, name) : undefined
}

// Results that are read off a page: DuckDuckGo's page for simple browsers, and SearXNG where its JSON form is switched off.

/** It has no other form without a key. `df` is the age: d, w, m, y. */
export const duckduckgo: SearchService = {
  publicUrl: 'https://lite.duckduckgo.com',
  page: 'duckduckgo',
  requests({ query, freshness }, { baseUrl, safesearch }) {
    const parameters = new URLSearchParams({ q: query })
    if (safesearch !== null) parameters.set('kp', { off: '-2', moderate: '-1', strict: '1' }[safesearch])
    if (freshness !== 'any') parameters.set('df', freshness.slice(0, 1))
    return [{ url: `${baseUrl}/lite/?${parameters.toString()}`, accept: 'text/html', headers: {} }]
  },
}

/** The elements of a page that hold results, by class name. */
interface PageShape {
  readonly link: (classes: readonly string[], tag: string, within: readonly string[]) => boolean
  readonly snippet: (classes: readonly string[]) => boolean
  /** Identifies a results page without results. */
  readonly nothing: RegExp
}

const duckduckgoPage: PageShape = {
  link: (classes) => classes.includes('result-link'),
  snippet: (classes) => classes.includes('result-snippet'),
  nothing: /No (?:more )?results|id=["']links/i,
}

const searxngPage: PageShape = {
  link: (_classes, tag, within) => tag === 'a' && within.includes('h3') && within.includes('article'),
  snippet: (classes) => classes.includes('content'),
  nothing: /id=["'](?:results|urls)["']/i,
}

type MakeParser = new () => SAXParser

/** @returns the hits, or null when it is not a results page: a CAPTCHA, an error, a start page. */
export function readResultPage(html: string, service: 'duckduckgo' | 'searxng', Parser: MakeParser): readonly SearchHit[] | null {
  const shape = service === 'duckduckgo' ? duckduckgoPage : searxngPage
  const hits: { title: string; url: string; snippet: string }[] = []
  const open: string[] = []
  /** The field that the current text belongs to, and the depth of its element. */
  let into: { readonly field: 'title' | 'snippet'; readonly depth: number } | null = null
  const parser = new Parser()
  parser.on('startTag', ({ tagName, attrs, selfClosing }) => {
    if (selfClosing || voidTags.has(tagName)) return
    const attribute = (name: string): string => attrs.find((each) => each.name === name)?.value ?? ''
    const classes = attribute('class').split(/\s+/)
    const last = hits.at(-1)
    if (shape.link(classes, tagName, open)) {
      hits.push({ title: '', url: destinationOf(attribute('href')), snippet: '' })
      into = { field: 'title', depth: open.length }
    } else if (last !== undefined && into === null && shape.snippet(classes)) into = { field: 'snippet', depth: open.length }
    // Closing a tag scans the open ones: names are not tracked deeper than real pages nest.
    if (open.length < maxOpenElements) open.push(tagName)
  })
  parser.on('endTag', ({ tagName }) => {
    const at = open.lastIndexOf(tagName)
    if (at === -1) return
    open.length = at
    if (into !== null && open.length <= into.depth) into = null
  })
  parser.on('text', ({ text }) => {
    const hit = hits.at(-1)
    if (into !== null && hit !== undefined) hit[into.field] += text
  })
  parser.resume()
  parser.end(html.slice(0, maxPageCharacters))
  return hits.length > 0 || shape.nothing.test(html) ? hits : null
}

/** The nesting limit of browsers. */
const maxOpenElements = 512

const voidTags: ReadonlySet<string> = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '))

/** DuckDuckGo's links are redirects: `//duckduckgo.com/l/?uddg=…`. */
function destinationOf(href: string): string {
  const url = URL.parse(href, 'https://duckduckgo.com/')
  const behind = url !== null && /(?:^|\.)duckduckgo\.com$/.test(url.hostname) ? url.searchParams.get('uddg') : null
  return behind ?? url?.href ?? ''
}

// Search services that answer in JSON: SearXNG, Brave, Google's Programmable Search.

const json = 'application/json'

/** https://docs.searxng.org/dev/search_api.html. If an instance has JSON disabled, its HTML page is read. */
export const searxng: SearchService = {
  publicUrl: '',
  page: 'searxng',
  requests({ query, freshness }, { baseUrl, engines, categories, safesearch }) {
    const params = new URLSearchParams({ q: query, safesearch: { off: '0', moderate: '1', strict: '2' }[safesearch ?? 'off'] })
    if (engines.length > 0) params.set('engines', engines.join(','))
    if (categories.length > 0) params.set('categories', categories.join(','))
    if (freshness !== 'any') params.set('time_range', freshness)
    const url = `${baseUrl}/search?${params.toString()}`
    return [
      { url: `${url}&format=json`, accept: json, headers: {} },
      { url, accept: 'text/html', headers: {} },
    ]
  },
  read(body) {
    return hitsOf(listAt(parseJson(body), 'results'), { url: 'url', snippet: 'content' })
  },
}

/** https://api-dashboard.search.brave.com/app/documentation/web-search/query: at most 20 results. */
export const brave: SearchService = {
  publicUrl: 'https://api.search.brave.com',
  requests({ query, count, freshness }, { baseUrl, key, safesearch }) {
    const parameters = new URLSearchParams({ q: query, count: String(Math.min(count, 20)), text_decorations: 'false' })
    if (safesearch !== null) parameters.set('safesearch', safesearch)
    if (freshness !== 'any') parameters.set('freshness', `p${freshness.slice(0, 1)}`)
    return [{ url: `${baseUrl}/res/v1/web/search?${parameters.toString()}`, accept: json, headers: { 'x-subscription-token': key } }]
  },
  read(body) {
    const answer = parseJson(body)
    // A search without results has no list of pages at all.
    if (fieldOf(answer, 'web') === undefined && textAt(answer, 'type') === 'search') return []
    return hitsOf(listAt(answer, 'web', 'results'), { url: 'url', snippet: 'description' })
  },
}

const googleDates: Readonly<Record<Freshness, string>> = { any: '', day: 'd1', week: 'w1', month: 'm1', year: 'y1' }

/** https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list: at most 10 results. */
export const google: SearchService = {
  publicUrl: 'https://customsearch.googleapis.com',
  requests({ query, count, freshness }, { baseUrl, key, engineId, safesearch }) {
    const parameters = new URLSearchParams({ q: query, cx: engineId, num: String(Math.min(count, 10)) })
    if (safesearch !== null) parameters.set('safe', safesearch === 'off' ? 'off' : 'active')
    if (freshness !== 'any') parameters.set('dateRestrict', googleDates[freshness])
    return [{ url: `${baseUrl}/customsearch/v1?${parameters.toString()}`, accept: json, headers: { 'x-goog-api-key': key } }]
  },
  read(body) {
    const answer = parseJson(body)
    if (fieldOf(answer, 'items') === undefined && fieldOf(answer, 'searchInformation') !== undefined) return []
    return hitsOf(listAt(answer, 'items'), { url: 'link', snippet: 'snippet' })
  },
}

function hitsOf(list: readonly unknown[] | null, names: { url: string; snippet: string }): readonly SearchHit[] | null {
  if (list === null) return null
  return list.map((hit) => ({ title: textAt(hit, 'title'), url: textAt(hit, names.url), snippet: textAt(hit, names.snippet) }))
}

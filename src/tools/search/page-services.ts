/** Results that are read off a page: DuckDuckGo's page for simple browsers, and SearXNG where its JSON form is switched off. */
import type { SAXParser } from 'parse5-sax-parser'
import { maxPageCharacters } from '../limits.ts'
import type { SearchHit, SearchService } from './search-service.ts'

/** It has no other form without a key. `df` is the age: d, w, m, y. */
export const duckduckgo: SearchService = {
  publicUrl: 'https://lite.duckduckgo.com',
  page: 'duckduckgo',
  requests({ query, freshness }, { baseUrl }) {
    const asked = new URLSearchParams({ q: query })
    if (freshness !== 'any') asked.set('df', freshness.slice(0, 1))
    return [{ url: `${baseUrl}/lite/?${asked.toString()}`, accept: 'text/html', headers: {} }]
  },
}

/** Which elements of a page hold what, by a class name. */
interface PageShape {
  readonly link: (classes: readonly string[], tag: string, within: readonly string[]) => boolean
  readonly snippet: (classes: readonly string[]) => boolean
  /** Marks a page of results that has none. */
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

/** @returns the hits, or null when it is no page of results: a question whether one is human, an error, a start page. */
export function readResultPage(html: string, service: 'duckduckgo' | 'searxng', Parser: MakeParser): readonly SearchHit[] | null {
  const shape = service === 'duckduckgo' ? duckduckgoPage : searxngPage
  const hits: { title: string; url: string; snippet: string }[] = []
  const open: string[] = []
  /** What the text that comes now belongs to, and how deep that element stands. */
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
    // Each end looks through all that is open: what is deeper than true pages are is not known by name.
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

/** As browsers nest at most. */
const maxOpenElements = 512

const voidTags: ReadonlySet<string> = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '))

/** DuckDuckGo's links lead over itself: `//duckduckgo.com/l/?uddg=…`. */
function destinationOf(href: string): string {
  const url = URL.parse(href, 'https://duckduckgo.com/')
  const behind = url !== null && /(?:^|\.)duckduckgo\.com$/.test(url.hostname) ? url.searchParams.get('uddg') : null
  return behind ?? url?.href ?? ''
}

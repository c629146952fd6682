/** Search services that answer in JSON: SearXNG, Brave, Google's Programmable Search. */
import type { Freshness, SearchHit, SearchService } from './search-service.ts'
import { fieldOf, listAt, parseJson, textAt } from './search-service.ts'

const json = 'application/json'

/** https://docs.searxng.org/dev/search_api.html. Instances may have the JSON form switched off: then its page is read. */
export const searxng: SearchService = {
  publicUrl: '',
  page: 'searxng',
  requests({ query, freshness }, { baseUrl }) {
    const asked = new URLSearchParams({ q: query, safesearch: '0' })
    if (freshness !== 'any') asked.set('time_range', freshness)
    const url = `${baseUrl}/search?${asked.toString()}`
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
  requests({ query, count, freshness }, { baseUrl, key }) {
    const asked = new URLSearchParams({ q: query, count: String(Math.min(count, 20)), text_decorations: 'false' })
    if (freshness !== 'any') asked.set('freshness', `p${freshness.slice(0, 1)}`)
    return [{ url: `${baseUrl}/res/v1/web/search?${asked.toString()}`, accept: json, headers: { 'x-subscription-token': key } }]
  },
  read(body) {
    const answer = parseJson(body)
    // A search that finds nothing has no list of pages at all.
    if (fieldOf(answer, 'web') === undefined && textAt(answer, 'type') === 'search') return []
    return hitsOf(listAt(answer, 'web', 'results'), { url: 'url', snippet: 'description' })
  },
}

const googleDates: Readonly<Record<Freshness, string>> = { any: '', day: 'd1', week: 'w1', month: 'm1', year: 'y1' }

/** https://developers.google.com/custom-search/v1/reference/rest/v1/cse/list: at most 10 results. */
export const google: SearchService = {
  publicUrl: 'https://customsearch.googleapis.com',
  requests({ query, count, freshness }, { baseUrl, key, engineId }) {
    const asked = new URLSearchParams({ q: query, cx: engineId, num: String(Math.min(count, 10)) })
    if (freshness !== 'any') asked.set('dateRestrict', googleDates[freshness])
    return [{ url: `${baseUrl}/customsearch/v1?${asked.toString()}`, accept: json, headers: { 'x-goog-api-key': key } }]
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

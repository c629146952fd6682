/** Each search service against a server on loopback that answers as the service does. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { openEgress } from '../../sandbox/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { parseConfig } from '../../config/index.ts'
import type { CallContext, Done } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { openSearch, searchIsOff } from './search-call.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Service {
  readonly requests: readonly { readonly path: string; readonly params: URLSearchParams; readonly headers: IncomingMessage['headers'] }[]
  search(input: object): Promise<Done<any>>
}

/** Opens the call as a guest does; only the address of the service is another. */
async function onService(web: Partial<Config['web']>, answer: Answer, run: (service: Service) => Promise<void>, keys = {}): Promise<void> {
  const requests: { path: string; params: URLSearchParams; headers: IncomingMessage['headers'] }[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    requests.push({ path: url.pathname, params: url.searchParams, headers: request.headers })
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    const config = parseConfig({ web: { search_url: `http://127.0.0.1:${port}/`, ...web } }, 'test')
    const call = (await openSearch(config, keys, openEgress))!
    const search = async (input: object): Promise<Done<any>> => {
      const done = await call.run(call.input.parse(input), { signal: new AbortController().signal } as CallContext)
      call.output.parse(done.output)
      return done
    }
    await run({ requests, search })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

const json =
  (body: unknown, status = 200): Answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
const html =
  (body: string, status = 200): Answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(body)

const fails = (work: Promise<unknown>, code: string, message: RegExp) =>
  assert.rejects(work, (error) => isOxbowError(error) && error.code === code && message.test(error.message) && error.hint !== '')

describe('web.search', () => {
  it('requests JSON from SearXNG and shows its results in order, each page once', async () => {
    const results = [
      { title: 'One', url: 'https://a.example/x#part', content: 'first\n  words', score: 3 },
      { title: 'Again', url: 'https://a.example/x', content: 'the same page' },
      { title: 'Not for us', url: 'javascript:alert(1)', content: '' },
      { title: 'Two \u202eevil\u0007', url: 'http://b.example/', content: 'x'.repeat(3_000) },
    ]
    await onService({ search: 'searxng' }, json({ query: 'q', results }), async ({ search, requests }) => {
      const { output, text } = await search({ query: ' cats & dogs ', freshness: 'week' })
      assert.deepEqual(Object.fromEntries(requests[0]!.params), { q: 'cats & dogs', safesearch: '0', time_range: 'week', format: 'json' })
      assert.equal(requests[0]!.path, '/search')
      assert.equal(output.provider, 'searxng')
      assert.deepEqual(output.results[0], {
        index: 1,
        title: 'One',
        url: 'https://a.example/x',
        display_url: 'a.example/x',
        snippet: 'first words',
      })
      assert.equal(output.result_count, 2)
      assert.equal(output.results[1].title, 'Two evil')
      assert.equal(output.results[1].snippet.length, 2_000)
      assert.match(text!, /^2 results from searxng\n\n1\. One\nhttps:\/\/a\.example\/x\nfirst words\n\n2\. /)
    })
  })

  it('reads the HTML page of a SearXNG that offers no JSON', async () => {
    const page = `<html><body><div id="urls">
      <article class="result"><a class="url_header" href="https://a.example/"><span>a.example</span></a>
        <h3><a href="https://a.example/">An <span class="highlight">A</span></a></h3><p class="content">All about <b>a</b> &amp; more</p></article>
      <article class="result"><h3><a href="https://b.example/?q=1&amp;r=2">B</a></h3><p class="content">bee</p></article></div></body></html>`
    const answer: Answer = (request, response) => (request.url!.includes('format=json') ? json({}, 403) : html(page))(request, response)
    await onService({ search: 'searxng' }, answer, async ({ search, requests }) => {
      const { output } = await search({ query: 'a', count: 10 })
      assert.equal(requests.length, 2)
      assert.deepEqual(
        output.results.map(({ title, url, snippet }: Record<string, string>) => [title, url, snippet]),
        [
          ['An A', 'https://a.example/', 'All about a & more'],
          ['B', 'https://b.example/?q=1&r=2', 'bee'],
        ],
      )
    })
  })

  it('sends the key to Brave in a header, never in the URL', async () => {
    const web = { search: 'brave' } as const
    const body = { type: 'search', web: { results: [{ title: 'B', url: 'https://b.example/', description: 'bee' }] } }
    const run = async ({ search, requests }: Service): Promise<void> => {
      assert.equal((await search({ query: 'b', count: 3, freshness: 'month' })).output.results[0].snippet, 'bee')
      const [{ path, params, headers }] = requests as [Service['requests'][number]]
      assert.equal(path, '/res/v1/web/search')
      assert.deepEqual(Object.fromEntries(params), { q: 'b', count: '3', text_decorations: 'false', freshness: 'pm' })
      assert.equal(headers['x-subscription-token'], 'k-1')
    }
    await onService(web, json(body), run, { BRAVE_API_KEY: 'k-1' })
    await onService({ ...web, search_key_env: 'MINE' }, json(body), run, { MINE: 'k-1', BRAVE_API_KEY: 'other' })
  })

  it('sends key and engine to Google, and accepts an empty result', async () => {
    const web = { search: 'google', search_engine_id: 'cx-7' } as const
    const answer: Answer = (request, response) =>
      json(
        request.url!.includes('q=none')
          ? { searchInformation: { totalResults: '0' } }
          : { items: [{ title: 'G', link: 'https://g.example/', snippet: 'gee', displayLink: 'g.example' }] },
      )(request, response)
    await onService(
      web,
      answer,
      async ({ search, requests }) => {
        assert.equal((await search({ query: 'g', freshness: 'day' })).output.results[0].url, 'https://g.example/')
        assert.deepEqual(Object.fromEntries(requests[0]!.params), { q: 'g', cx: 'cx-7', num: '5', dateRestrict: 'd1' })
        assert.equal(requests[0]!.headers['x-goog-api-key'], 'k-2')
        const { output, text } = await search({ query: 'none' })
        assert.equal(output.result_count, 0)
        assert.match(text!, /found nothing for "none"/)
      },
      { GOOGLE_SEARCH_API_KEY: 'k-2' },
    )
  })

  it("reads DuckDuckGo's page for simple browsers, and says so when it asks for a human", async () => {
    const row = (target: string, title: string, snippet: string): string =>
      `<tr><td>1.&nbsp;</td><td><a rel="nofollow" href="//duckduckgo.com/l/?uddg=${encodeURIComponent(target)}&amp;rut=ab" class='result-link'>${title}</a></td></tr>
       <tr><td>&nbsp;</td><td class='result-snippet'>${snippet}</td></tr><tr><td><span class='link-text'>x</span></td></tr>`
    const page = `<html><body><table>${row('https://a.example/?a=1&b=2', 'A <b>one</b>', 'about a')}${row('https://b.example/', 'B', 'about b')}</table></body></html>`
    const answer: Answer = (request, response) =>
      html(
        request.url!.includes('q=robot')
          ? '<form id="challenge-form">Are you a robot?</form>'
          : request.url!.includes('q=none')
            ? '<p>No results.</p>'
            : page,
      )(request, response)
    await onService({ search: 'duckduckgo' }, answer, async ({ search, requests }) => {
      const { output } = await search({ query: 'a', freshness: 'year' })
      assert.deepEqual([requests[0]!.path, requests[0]!.params.get('df')], ['/lite/', 'y'])
      assert.deepEqual(
        output.results.map(({ title, url, snippet }: Record<string, string>) => [title, url, snippet]),
        [
          ['A one', 'https://a.example/?a=1&b=2', 'about a'],
          ['B', 'https://b.example/', 'about b'],
        ],
      )
      assert.equal((await search({ query: 'none' })).output.result_count, 0)
      await fails(search({ query: 'robot' }), 'tool_failed', /may be asking for a CAPTCHA/)
    })
  })

  it('limits what a hostile service can send: nesting, titles, URLs', async () => {
    const nested = `<b>${'<i>'.repeat(150_000)}${'</u>'.repeat(150_000)}<a class="result-link" href="https://a.example/">A</a>`
    await onService({ search: 'duckduckgo' }, html(nested), async ({ search }) => {
      assert.equal((await search({ query: 'a' })).output.results[0].title, 'A')
    })
    const results = [
      { title: 'x', url: `https://a.example/${'y'.repeat(10_000)}` },
      { title: 't'.repeat(1_000_000), url: 'https://b.example/' },
    ]
    await onService({ search: 'searxng' }, json({ results }), async ({ search }) => {
      const { output } = await search({ query: 'a' })
      assert.deepEqual([output.result_count, output.results[0].title.length], [1, 300])
    })
  })

  it('reports what is wrong with the service, and never the key', async () => {
    const answers: readonly [Answer, RegExp][] = [
      [json({ message: 'no' }, 401), /refuses the search \(401\)/],
      [json({}, 429), /throttling searches/],
      [json({}, 500), /status 500/],
      [json([1, 2]), /no list of results/],
      [html('{"web":'), /no list of results/],
      [json({ web: { results: [null, 1, { title: 5 }] } }), /^$/],
    ]
    for (const [answer, message] of answers) {
      await onService(
        { search: 'brave' },
        answer,
        async ({ search }) => {
          if (message.source === '^$') return assert.equal((await search({ query: 'x' })).output.result_count, 0)
          await assert.rejects(
            search({ query: 'x' }),
            (error) => isOxbowError(error) && message.test(error.message) && !JSON.stringify(error).includes('k-3'),
          )
        },
        { BRAVE_API_KEY: 'k-3' },
      )
    }
  })

  it('connects only to its service, and sends no key to another host', async () => {
    let sentKey: string | undefined
    const other = createServer((request, response) => {
      sentKey = request.headers['x-subscription-token'] as string | undefined
      response.end('{}')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const away: Answer = (_, response) => void response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end()
    await onService({ search: 'brave' }, away, ({ search }) => fails(search({ query: 'x' }), 'denied', /redirect/), { BRAVE_API_KEY: 'k' })
    assert.equal(sentKey, undefined)
    await new Promise((resolve) => other.close(resolve))
  })

  it('asks SearXNG for engines, categories and a strictness, and another address where the first does not answer', async () => {
    const answer = json({ query: 'q', results: [{ title: 'One', url: 'https://a.example/', content: 'x' }] })
    const web = {
      search: 'searxng',
      search_engines: ['bing', 'mojeek'],
      search_categories: ['science'],
      search_safesearch: 'strict',
    } satisfies Partial<Config['web']>
    await onService(web, answer, async ({ search, requests }) => {
      await search({ query: 'q' })
      const { engines, categories, safesearch } = Object.fromEntries(requests[0]!.params)
      assert.deepEqual([engines, categories, safesearch], ['bing,mojeek', 'science', '2'])
    })
    const down = createServer()
    await new Promise<void>((resolve) => down.listen(0, '127.0.0.1', resolve))
    const closed = (down.address() as AddressInfo).port
    await new Promise((resolve) => down.close(resolve))
    const server = createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const live = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const config = parseConfig(
        { web: { search: 'searxng', search_url: `http://127.0.0.1:${closed}`, search_fallback_urls: [live] } },
        'test',
      )
      const call = (await openSearch(config, {}, openEgress))!
      const { output } = await call.run(call.input.parse({ query: 'q' }), { signal: new AbortController().signal } as CallContext)
      assert.deepEqual([output.base_url, output.result_count], [live, 1])
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    const web2 = { search: 'searxng', search_url: live, search_fallback_urls: ['file:///etc'] }
    await fails(openSearch(parseConfig({ web: web2 }, 'test'), {}, openEgress), 'bad_config', /search_fallback_urls/)
  })

  it('fails at the start with the setting that is missing, and is absent when it is off', async () => {
    const open = (web: object, keys = {}) => openSearch(parseConfig({ web }, 'test'), keys, openEgress)
    assert.equal(await open({}), null)
    await fails(open({ search: 'searxng' }), 'bad_config', /web\.search_url is not set/)
    await fails(open({ search: 'searxng', search_url: 'file:///etc' }), 'bad_config', /not an http URL/)
    await fails(open({ search: 'brave' }), 'bad_config', /BRAVE_API_KEY is not set/)
    await fails(open({ search: 'google' }, { GOOGLE_SEARCH_API_KEY: 'k' }), 'bad_config', /search_engine_id/)
    const off = searchIsOff().unavailable
    assert.ok(off !== undefined && off.code === 'denied' && off.hint !== '', 'nothing is broken, so it is no failure of the server')
    const call = await open({ search: 'duckduckgo' })
    assert.deepEqual([call?.right, call?.labels.sink, call?.labels.adds], ['web.read', true, ['untrusted']])
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Egress } from '../../sandbox/index.ts'
import { OxbowError, isOxbowError, systemClock } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import { fetchPage } from './page-fetch.ts'
import { createRobots } from './robots-rules.ts'

type Answer = { readonly status: number; readonly body?: string } | OxbowError

/** Sites whose robots.txt answers from a list by origin; everything else is an empty page. */
function sites(robots: Record<string, Answer>, redirects: Record<string, string> = {}) {
  const requested: string[] = []
  const egress = {
    fetch(url: string) {
      requested.push(url)
      const { origin, pathname } = new URL(url)
      const answer = pathname === '/robots.txt' ? (robots[origin] ?? { status: 404 }) : { status: 200, body: 'page' }
      if (answer instanceof OxbowError) return Promise.reject(answer)
      const to = redirects[url]
      const urls = to === undefined ? [url] : [url, to]
      return Promise.resolve({
        urls,
        address: '',
        status: answer.status,
        contentType: 'text/plain',
        body: Buffer.from(answer.body ?? ''),
        cut: false,
      })
    },
  } as unknown as Egress
  return { egress, requested }
}

const clockAt = (time: { now: number }) => ({ ...systemClock, now: () => time.now })
const blobs = { keep: () => Promise.reject(new Error('nothing is kept here')), read: () => Promise.resolve(null) }
const asking = { signal: new AbortController().signal, clock: systemClock, blobs, leadsTo: () => Promise.resolve(null) }

describe('robots.txt', () => {
  it('is obeyed, the rules for our name before those for all', async () => {
    const body = 'User-agent: *\nDisallow: /\n\nUser-agent: oxbow\nDisallow: /private\nAllow: /private/open\nDisallow: /*.zip$\n'
    const may = createRobots(sites({ 'https://a.example': { status: 200, body } }).egress)
    const verdicts: Record<string, boolean> = { '/': true, '/private/x': false, '/private/open/x': true, '/a.zip': false, '/a.zip?x': true }
    for (const [path, verdict] of Object.entries(verdicts)) assert.equal(await may(`https://a.example${path}`, asking), verdict, path)
  })

  it('that is hostile costs little time and memory, and its rules apply', async () => {
    const names = 'User-agent: other\nuser-agent : oxbow/2 # ours\n\nUser-agent: *\n'.repeat(4_000)
    const may = createRobots(
      sites({
        'https://a.example': { status: 200, body: `${names}${'Disallow: /x\n'.repeat(20_000)}Disallow: /private` },
        'https://b.example': { status: 200, body: `User-agent: *\nDisallow: ${'*'.repeat(500_000)}z` },
      }).egress,
    )
    assert.equal(await may('https://a.example/private', asking), false)
    assert.equal(await may('https://a.example/y', asking), true)
    assert.equal(await may('https://b.example/y', asking), true)
    assert.equal(await may(`https://b.example/${'y'.repeat(8_000)}`, asking), false)
  })

  it('that is missing allows everything; one that cannot be fetched now allows nothing', async () => {
    const unreachable = new OxbowError('tool_failed', 'no answer', { hint: 'later' })
    const { egress } = sites({
      'https://a.example': { status: 403 },
      'https://b.example': { status: 503 },
      'https://c.example': unreachable,
    })
    const may = createRobots(egress)
    assert.equal(await may('https://a.example/x', asking), true)
    assert.equal(await may('https://b.example/x', asking), false)
    assert.equal(await may('https://c.example/x', asking), false)
    assert.equal(await may('https://d.example/x', asking), true)
  })

  it('is requested once an hour for each site', async () => {
    const time = { now: 1_000_000 }
    const { egress, requested } = sites({})
    const may = createRobots(egress)
    const context = { ...asking, clock: clockAt(time) } as Pick<CallContext, 'signal' | 'clock'>
    await may('https://a.example/1', context)
    await may('https://a.example/2', context)
    await may('https://b.example/', context)
    assert.deepEqual(requested, ['https://a.example/robots.txt', 'https://b.example/robots.txt'])
    time.now += 3_600_000
    await may('https://a.example/3', context)
    assert.equal(requested.length, 3)
  })

  it('that could not be fetched is requested again after a minute', async () => {
    const time = { now: 1_000_000 }
    const answers: Record<string, Answer> = { 'https://a.example': { status: 503 } }
    const { egress, requested } = sites(answers)
    const may = createRobots(egress)
    const context = { ...asking, clock: clockAt(time) } as Pick<CallContext, 'signal' | 'clock'>
    assert.equal(await may('https://a.example/', context), false)
    answers['https://a.example'] = { status: 404 }
    assert.equal(await may('https://a.example/', context), false)
    assert.equal(requested.length, 1)
    time.now += 60_000
    assert.equal(await may('https://a.example/', context), true)
  })

  it('applies to the target of a redirect too', async () => {
    const closed = { status: 200, body: 'User-agent: *\nDisallow: /' }
    const { egress, requested } = sites({ 'https://b.example': closed }, { 'https://a.example/x': 'https://b.example/y' })
    const robots = createRobots(egress)
    const refused = (error: unknown) => isOxbowError(error, 'denied') && /robots\.txt/.test(error.message)
    await assert.rejects(fetchPage(egress, 'https://b.example/', 'text', asking, robots), refused)
    assert.deepEqual(requested, ['https://b.example/robots.txt'])
    await assert.rejects(fetchPage(egress, 'https://a.example/x', 'text', asking, robots), refused)
    assert.equal((await fetchPage(egress, 'https://c.example/', 'text', asking, robots)).text.toString(), 'page')
  })
})

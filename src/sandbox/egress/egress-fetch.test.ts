/** Requests of protocol clients: any method, streamed answers, and no host but the server's. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { text } from 'node:stream/consumers'
import { parseConfig } from '../../config/index.ts'
import { createEgressFetch } from './egress-fetch.ts'
import { type Site, startSite } from './web-fixture.ts'

const config = parseConfig({}, 'this test').egress
const lookup = () => Promise.resolve(['127.0.0.1'])

describe('a fetch for one server', () => {
  let site: Site
  before(async () => {
    site = await startSite((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: 'http://elsewhere.test/' }).end()
      else if (request.url === '/none') response.writeHead(202).end()
      else
        void text(request).then((body) => {
          response.writeHead(200, { 'content-type': 'text/plain', 'x-method': request.method })
          response.write(`${String(request.headers['x-own'])} `)
          setTimeout(() => response.end(body), 20)
        })
    })
  })
  after(() => site.close())
  const fetchOf = (allow: readonly string[], host = `site.test:${site.port}`) => createEgressFetch(config, host, allow, { lookup })

  it('sends any method, headers and a body, and streams the answer', async () => {
    const request = fetchOf([`site.test:${site.port}`])
    const answer = await request(site.url, { method: 'POST', headers: { 'x-own': 'mine' }, body: 'sent' })
    assert.deepEqual([answer.status, answer.headers.get('x-method'), await answer.text()], [200, 'POST', 'mine sent'])
    const none = await request(`${site.url}/none`, { method: 'DELETE' })
    assert.deepEqual([none.status, await none.text()], [202, ''])
  })

  it('reaches this machine and private networks only where that is named', async () => {
    await assert.rejects(fetchOf([])(site.url), { code: 'denied' })
    await assert.rejects(fetchOf([], `127.0.0.1:${site.port}`)(`http://127.0.0.1:${site.port}/`), { code: 'denied' })
    const named = [`127.0.0.1:${site.port}`]
    assert.equal((await fetchOf(named, named[0])(`http://127.0.0.1:${site.port}/`)).status, 200)
  })

  it('reaches no other host, and follows no redirect to one', async () => {
    const request = fetchOf([`site.test:${site.port}`])
    await assert.rejects(request('http://elsewhere.test/'), { code: 'denied', message: /`allow` does not name it/ })
    assert.equal((await request(`${site.url}/moved`)).status, 302)
  })
})

/** A fetch from where there is no network: through a real proxy on a socket, which has the policy. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { parseConfig } from '../../config/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { siteCertificate, siteKey } from './certificate-fixture.ts'
import { createEgress, type Egress } from './create-egress.ts'
import { createEgressProxy } from './egress-proxy.ts'
import { never, onSite, startServer } from './web-fixture.ts'

/** @param port of `site.test`, which alone may be reached */
async function withProxied(port: number, run: (egress: Egress) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-through-'))
  const config = parseConfig({ egress: { allow: [`site.test:${port}`] } }, 'this test').egress
  const proxy = createEgressProxy(config, join(folder, 'egress'), { lookup: () => Promise.resolve(['127.0.0.1']) })
  try {
    // No name can be resolved on this side, and no rule stands here.
    const lookup = (): never => assert.fail('a name was looked up without a network')
    await run(createEgress(parseConfig({}, 'this test').egress, { through: await proxy.socket('online'), lookup }))
  } finally {
    await proxy.close()
    await rm(folder, { recursive: true })
  }
}

const fails = (work: Promise<unknown>, code: ErrorCode, message: RegExp) =>
  assert.rejects(work, (error) => isOxbowError(error, code) && message.test(error.message) && !error.message.includes('oxbow:'))

describe('a fetch through the proxy of a runner', () => {
  it('brings pages and follows redirects', () =>
    onSite(
      (request, response) => {
        if (request.url === '/a') response.writeHead(302, { location: '/b' }).end()
        else response.writeHead(200, { 'content-type': 'text/plain' }).end(`${request.headers.host} ${request.url}`)
      },
      (site) =>
        withProxied(site.port, async (egress) => {
          const { urls, body } = await egress.fetch(`${site.url}/a`, 'text/plain', never)
          assert.deepEqual(urls, [`${site.url}/a`, `${site.url}/b`])
          assert.equal(body.toString(), `site.test:${site.port} /b`)
        }),
    ))

  it('checks certificates against the name, here', async () => {
    const site = await startServer(createTlsServer({ key: siteKey, cert: siteCertificate }, (_, response) => response.end('secret')))
    const before = getCACertificates('default')
    try {
      await withProxied(site.port, async (egress) => {
        await fails(egress.fetch(`https://site.test:${site.port}/`, '*/*', never), 'tool_failed', /gave no valid response/)
        setDefaultCACertificates([...before, siteCertificate])
        const { body } = await egress.fetch(`https://site.test:${site.port}/`, '*/*', never)
        assert.equal(body.toString(), 'secret')
      })
    } finally {
      setDefaultCACertificates(before)
      await site.close()
    }
  })

  it('is refused in the words of the policy, wherever a redirect leads', () =>
    onSite(
      (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
      (site) =>
        withProxied(site.port, async (egress) => {
          await fails(egress.fetch(`http://other.test:${site.port}/`, '*/*', never), 'denied', /may not be reached/)
          await fails(egress.fetch('http://127.0.0.1/', '*/*', never), 'denied', /private network/)
          await fails(egress.fetch(`${site.url}/`, '*/*', never), 'denied', /redirect cannot be followed|169\.254/)
          await fails(egress.fetch('ftp://site.test/', '*/*', never), 'bad_input', /Only http/)
        }),
    ))

  it('says so when there is no proxy, and ends when it is cancelled', async () => {
    const egress = createEgress(parseConfig({}, 'this test').egress, { through: '/nowhere.sock' })
    await fails(egress.fetch('http://site.test/', '*/*', never), 'tool_failed', /ENOENT/)
    const cancel = new AbortController()
    const fetching = egress.fetch('http://site.test/', '*/*', cancel.signal)
    cancel.abort(new Error('enough'))
    await assert.rejects(fetching, /enough/)
  })
})

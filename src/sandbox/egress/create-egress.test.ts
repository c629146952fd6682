import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { describe, it } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { isOxbowError } from '../../base/index.ts'
import { parseConfig } from '../../config/index.ts'
import type { ErrorCode } from '../../base/index.ts'
import { siteCertificate, siteKey } from './certificate-fixture.ts'
import { createEgress } from './create-egress.ts'
import type { Site, SiteOptions } from './web-fixture.ts'
import { get, never, onSite as on, startRawSite, startServer, startSite } from './web-fixture.ts'

async function onRaw(answer: string, run: (site: Site) => Promise<void>, options: SiteOptions = {}): Promise<void> {
  const site = await startRawSite((socket) => socket.once('data', () => socket.end(answer)), options)
  try {
    await run(site)
  } finally {
    await site.close()
  }
}

const fails = (work: Promise<unknown>, code: ErrorCode, message = /./) =>
  assert.rejects(work, (error) => isOxbowError(error, code) && message.test(error.message))

describe('a fetch', () => {
  it('returns the page, and sends no unnecessary header', async () => {
    let sent: object = {}
    const listener: RequestListener = (request, response) => {
      sent = { method: request.method, url: request.url, ...request.headers }
      response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'a=b' }).end('<p>hi')
    }
    await on(listener, async (site) => {
      for (const _ of [1, 2]) {
        const { body, ...rest } = await get(site, '/a%20b?c=d#e')
        assert.equal(body.toString(), '<p>hi')
        assert.deepEqual(rest, { urls: [`${site.url}/a%20b?c=d`], address: '127.0.0.1', status: 200, contentType: 'text/html', cut: false })
        assert.deepEqual(sent, {
          method: 'GET',
          url: '/a%20b?c=d',
          host: `site.test:${site.port}`,
          accept: 'text/html',
          'accept-encoding': 'gzip, br',
          'user-agent': 'oxbow',
          connection: 'close',
        })
      }
    })
  })

  it('connects to the address that was checked: the name is looked up once', async () => {
    await on(
      (_, response) => response.end('ok'),
      async (site) => {
        await get(site)
        assert.deepEqual(site.looked, ['site.test'])
      },
    )
  })

  it('does not follow a name server that changes its mind', async () => {
    let touched = 0
    const answers = [['93.184.216.34'], ['127.0.0.1']]
    const lookup = (): Promise<readonly string[]> => Promise.resolve(answers.shift() ?? ['127.0.0.1'])
    await on(
      (_, response) => {
        touched += 1
        response.end()
      },
      async (site) => {
        // It is allowed by its public address only; the private one comes with the next look-up, if there is one.
        const allow = [`93.184.216.34:${site.port}`]
        const { egress } = parseConfig({ egress: { allow } }, 'this test')
        const cancel = new AbortController()
        const one = createEgress(egress, { lookup, timeoutMs: 50 })
        await assert.rejects(one.fetch(site.url, '', cancel.signal), (error) => isOxbowError(error) && error.code !== 'denied')
        await fails(one.fetch(site.url, '', cancel.signal), 'denied')
        assert.equal(touched, 0)
      },
    )
  })

  it('tries the next checked address when one is dead', async () => {
    await on(
      (_, response) => response.end('ok'),
      async (site) => assert.equal((await get(site)).address, '127.0.0.1'),
      { lookup: () => Promise.resolve(['127.0.0.2', '127.0.0.1']) },
    )
  })

  it('takes an address for a host', async () => {
    await on(
      (request, response) => response.end(request.headers.host),
      async (site) => {
        const { egress } = parseConfig({ egress: { allow: ['127.0.0.0/8:' + site.port] } }, 'this test')
        const { body } = await createEgress(egress).fetch(`http://0x7f.1:${site.port}/`, '', never)
        assert.equal(body.toString(), `127.0.0.1:${site.port}`)
      },
    )
  })

  it('reaches nothing on this machine by default', async () => {
    const touched: string[] = []
    await on(
      (request, response) => {
        touched.push(request.url ?? '')
        response.end()
      },
      async (site) => {
        const { egress } = parseConfig({ egress: { ports: [site.port] } }, 'this test')
        for (const host of ['localhost', '127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433'])
          await fails(createEgress(egress).fetch(`http://${host}:${site.port}/`, '', never), 'denied')
        assert.deepEqual(touched, [])
      },
    )
  })

  it('says when nobody knows the name', async () => {
    const unknown = () => Promise.reject(new Error('ENOTFOUND'))
    for (const lookup of [unknown, () => Promise.resolve([])])
      await on(
        () => {},
        (site) => fails(get(site), 'not_found', /site\.test/),
        { lookup },
      )
  })
})

describe('a redirect', () => {
  const hops: RequestListener = (request, response) => {
    const left = Number(request.url?.slice(1))
    if (left === 0) response.end('there')
    else response.writeHead([301, 302, 303, 307, 308][left % 5] ?? 302, { location: `/${left - 1}` }).end('x'.repeat(100_000))
  }

  it('is followed five times and no more', async () => {
    await on(hops, async (site) => {
      const { urls, body } = await get(site, '/5')
      assert.equal(body.toString(), 'there')
      assert.deepEqual(
        urls.map((url) => url.slice(site.url.length)),
        ['/5', '/4', '/3', '/2', '/1', '/0'],
      )
      await fails(get(site, '/6'), 'limit_reached')
    })
  })

  const targets: readonly (readonly [string, ErrorCode])[] = [
    ['http://127.0.0.1/', 'denied'],
    ['http://site.test/', 'denied'],
    ['//169.254.169.254/latest/meta-data/', 'denied'],
    ['http://[::ffff:7f00:1]/', 'denied'],
    ['http://localhost:22/', 'denied'],
    ['http://0x7f.1/', 'denied'],
    ['https:/\\169.254.169.254', 'denied'],
    ['file:///etc/passwd', 'bad_input'],
    ['javascript:alert(1)', 'bad_input'],
    ['data:text/plain,x', 'bad_input'],
    ['http://user:pw@site.test/', 'bad_input'],
    ['http://[', 'bad_input'],
    [`/${'x'.repeat(9_000)}`, 'bad_input'],
  ]
  for (const [location, code] of targets)
    it(`to ${location.slice(0, 50)} is checked like a first address`, () =>
      on(
        (_, response) => response.writeHead(302, { location }).end(),
        async (site) => {
          await assert.rejects(get(site), (error) => {
            assert.ok(isOxbowError(error, code), String(error))
            assert.match(error.message, /^A redirect cannot be followed\./)
            assert.deepEqual(error.data, { outcome: { urls: [`${site.url}/`] } })
            return true
          })
        },
      ))

  it('is followed where its place is written in UTF-8 or Latin-1, and not as a URL should be', async () => {
    for (const encoding of ['utf8', 'latin1'] as const)
      await on(
        ({ url }, response) =>
          url === '/' ? response.writeHead(302, { location: Buffer.from('/pläge', encoding).toString('latin1') }).end() : response.end(url),
        async (site) => assert.equal((await get(site)).body.toString(), '/pl%C3%A4ge'),
      )
  })

  it('looks its name up anew', async () => {
    await on(hops, async (site) => {
      await get(site, '/2')
      assert.deepEqual(site.looked, ['site.test', 'site.test', 'site.test'])
    })
  })

  it('is followed at once, whatever its own body is', async () => {
    await on(
      (request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(10_000)));
        }
        if (request.url === '/there') response.end('there')
        else {
          response.writeHead(302, { location: '/there' }).on('drain', more)
          more()
        }
      },
      async (site) => {
        assert.equal((await get(site)).body.toString(), 'there')
        await site.drained()
      },
    )
  })

  it('without a place to go to, or of another kind, is the answer', async () => {
    for (const status of [300, 302, 304, 305])
      await on(
        (_, response) => response.writeHead(status, status === 302 ? {} : { location: '/x' }).end(),
        async (site) => assert.equal((await get(site)).status, status),
      )
  })
})

describe('a broken or hostile server', () => {
  const garbage: Readonly<Record<string, string>> = {
    'that speaks no HTTP': '220 smtp ready\r\n\r\n',
    'that says nothing': '',
    'with a header larger than any': `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
    'with interim answers without end': `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)}HTTP/1.1 200 OK\r\n\r\nlate`,
    'that changes the protocol': 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx',
    'with two lengths': 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde',
    'with a length and chunks': 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    'that stops within its body': 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc',
    'with a broken chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    'with a body that is not packed as it says': 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc',
    'with an encoding nobody asked for': 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\ncontent-length: 3\r\n\r\nabc',
  }
  for (const [what, bytes] of Object.entries(garbage))
    it(`${what} gives one clear failure`, () =>
      onRaw(bytes, (site) => fails(get(site), 'tool_failed', /gave no valid response|encoding|compressed/)))

  it('may send a long header, and interim answers', () =>
    onRaw(`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(10)}HTTP/1.1 200 OK\r\nx: ${'y'.repeat(24_000)}\r\n\r\nok`, async (site) =>
      assert.equal((await get(site)).body.toString(), 'ok'),
    ))

  it('that nobody listens for gives one clear failure', async () => {
    const site = await startSite(() => {})
    await site.close()
    await fails(get(site), 'tool_failed', /ECONNREFUSED/)
  })

  it('has its time, and not more', async () => {
    await on(
      () => {},
      async (site) => {
        await fails(get(site), 'timeout')
        await site.drained()
      },
      { timeoutMs: 100 },
    )
    await on(
      (_, response) => void response.write('a'),
      async (site) => {
        await fails(get(site), 'timeout')
        await site.drained()
      },
      { timeoutMs: 100 },
    )
  })

  it('with a body without end is left at the limit', async () => {
    await on(
      (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(10_000)));
        }
        response.on('drain', more)
        more()
      },
      async (site) => {
        const { body, cut } = await get(site)
        assert.deepEqual([body.length, cut], [50_000, true])
        await site.drained()
      },
      { maxBytes: 50_000 },
    )
  })

  it('is closed at once when the fetch is cancelled', async () => {
    const cancel = new AbortController()
    await on(
      (_, response) => {
        response.write('a')
        response.on('close', () => {})
        setImmediate(() => cancel.abort(new Error('not wanted')))
      },
      async (site) => {
        await assert.rejects(get(site, '/', cancel.signal), { message: 'not wanted' })
        await site.drained()
        await assert.rejects(get(site, '/', cancel.signal), { message: 'not wanted' })
      },
    )
  })

  it('of names that does not answer is not waited for', async () => {
    const cancel = new AbortController()
    const lookup = (): Promise<never> => {
      setImmediate(() => cancel.abort(new Error('not wanted')))
      return new Promise(() => {})
    }
    await on(
      () => {},
      (site) => assert.rejects(get(site, '/', cancel.signal), { message: 'not wanted' }),
      { lookup },
    )
  })
})

describe('a fetch over TLS', () => {
  async function overTls(host: string, trust: boolean): Promise<string> {
    const before = getCACertificates('default')
    let names = ''
    const server = createTlsServer({ key: siteKey, cert: siteCertificate }, (_, response) => response.end('ok')).on(
      'tlsClientError',
      () => {},
    )
    server.on('secureConnection', (socket) => (names = String(socket.servername)))
    const site = await startServer(server)
    const { egress } = parseConfig({ egress: { allow: [`${host}:${site.port}`] } }, 'this test')
    if (trust) setDefaultCACertificates([...before, siteCertificate])
    try {
      const { body } = await createEgress(egress, { lookup: () => Promise.resolve(['127.0.0.1']) }).fetch(
        `https://${host}:${site.port}/`,
        '',
        never,
      )
      return `${body.toString()} ${names}`
    } catch (error) {
      assert.ok(isOxbowError(error, 'tool_failed'))
      return error.message
    } finally {
      setDefaultCACertificates(before)
      await site.close()
    }
  }

  it('asks for the name and checks the certificate against it', async () => {
    assert.equal(await overTls('site.test', true), 'ok site.test')
    assert.match(await overTls('site.test', false), /SELF_SIGNED/)
    assert.match(await overTls('other.test', true), /ALTNAME/)
    assert.match(await overTls('127.0.0.1', true), /ALTNAME/)
  })
})

describe('many fetches at once', () => {
  it('wait for a slot, and leave the queue when cancelled', async () => {
    const held: (() => void)[] = []
    const full = Promise.withResolvers<void>()
    let isHeld = true
    await on(
      (_, response) => {
        if (isHeld) held.push(() => response.end('ok'))
        else response.end('ok')
        if (held.length === 8) full.resolve()
      },
      async (site) => {
        const cancel = new AbortController()
        const all = Array.from({ length: 20 }, () => get(site))
        const unwanted = get(site, '/', cancel.signal)
        await full.promise
        // Names are known at once here: who had a turn has looked its name up.
        assert.equal(site.looked.length, 8)
        cancel.abort(new Error('not wanted'))
        await assert.rejects(unwanted, { message: 'not wanted' })
        isHeld = false
        for (const go of held) go()
        assert.equal((await Promise.all(all)).length, 20)
        assert.equal(site.looked.length, 20)
      },
    )
  })
})

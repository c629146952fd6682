import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { describe, it } from 'node:test'
import { by, readAll, readUntil, rowsOf, through, withProxy } from './proxy-fixture.ts'
import { onSite, startRawSite } from './web-fixture.ts'
import { maxProxyHeaderBytes } from '../limits.ts'

describe('the egress proxy, for plain requests', () => {
  it('sends a request on as it was, without what belongs to the connection or to the proxy', async () => {
    let sent: readonly string[] = []
    let body = ''
    const listener: RequestListener = async (request, response) => {
      sent = [request.method ?? '', request.url ?? '', ...request.rawHeaders]
      for await (const chunk of request) body += String(chunk)
      response.writeHead(201, { 'x-a': 'b', 'content-length': 2, connection: 'x-drop', 'x-drop': '1', 'proxy-authenticate': 'Basic' })
      response.end('ok')
    }
    await through(listener, async ({ say }, { port }) => {
      const head = [
        `POST http://site.test:${port}/a%20b?c=d HTTP/1.1`,
        `Host: site.test:${port}`,
        'Proxy-Authorization: Basic c2VjcmV0',
        'Proxy-Connection: keep-alive',
        'Connection: close, X-Hop',
        'X-Hop: 1',
        'TE: trailers',
        'Upgrade: h2c',
        'X-Keep: yes',
        'Content-Length: 5',
      ]
      const got = await say(`${head.join('\r\n')}\r\n\r\nhello`)
      assert.match(got, /^HTTP\/1\.1 201 /)
      assert.match(got, /x-a: b\r\n/i)
      assert.doesNotMatch(got, /x-drop|proxy-auth/i)
      assert.ok(got.endsWith('\r\n\r\nok'), got)
      assert.equal(body, 'hello')
      const wanted = `POST|/a%20b?c=d|host|site.test:${port}|x-keep|yes|content-length|5|connection|close`
      assert.equal(sent.join('|').toLowerCase(), wanted.toLowerCase())
    })
  })

  it('carries bodies in pieces both ways', async () => {
    await through(
      (request, response) => void request.pipe(response),
      async ({ say }, { port }) => {
        const head = `PUT http://site.test:${port}/ HTTP/1.1\r\nhost: site.test:${port}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n`
        const got = await say(`${head}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`)
        assert.match(got, /transfer-encoding: chunked/i)
        assert.match(got.replaceAll(/\r\n[0-9a-f]+\r\n|\r\n/g, ''), /abcde/)
      },
    )
  })

  it('takes one request of a connection: what follows it is dropped', async () => {
    let asked = 0
    await through(
      (_, response) => {
        asked += 1
        response.end('ok')
      },
      async ({ say }, { port }) => {
        const one = `GET http://site.test:${port}/ HTTP/1.1\r\nhost: site.test:${port}\r\n\r\n`
        await say(one.repeat(20))
        assert.equal(asked, 1)
      },
    )
  })

  for (const [what, request] of [
    ['another host in Host', 'GET http://site.test:PORT/ HTTP/1.1\r\nHost: other.test:PORT\r\n\r\n'],
    ['another port in Host', 'GET http://site.test:PORT/ HTTP/1.1\r\nHost: site.test\r\n\r\n'],
    ['two Hosts', 'GET http://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\nHost: site.test:PORT\r\n\r\n'],
    ['no Host', 'GET http://site.test:PORT/ HTTP/1.1\r\n\r\n'],
    ['a Host with a path', 'GET http://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT/x\r\n\r\n'],
    ['a Host with a user', 'GET http://site.test:PORT/ HTTP/1.1\r\nHost: a@site.test:PORT\r\n\r\n'],
    ['a user in the URL', 'GET http://a:b@site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\n\r\n'],
    ['no whole URL', 'GET / HTTP/1.1\r\nHost: site.test:PORT\r\n\r\n'],
    ['an https URL', 'GET https://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\n\r\n'],
    ['an ftp URL', 'GET ftp://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\n\r\n'],
    ['two lengths', 'POST http://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    [
      'a length and pieces',
      'POST http://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'a strange coding',
      'POST http://site.test:PORT/ HTTP/1.1\r\nHost: site.test:PORT\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no HTTP', 'HELO site.test\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['SOCKS', '\x05\x01\x00'],
  ] as const) {
    it(`refuses ${what}, and asks nobody`, async () => {
      let asked = 0
      await through(
        (_, response) => {
          asked += 1
          response.end('reached')
        },
        async ({ say }, { port }) => {
          assert.match(await say(request.replaceAll('PORT', String(port))), /^HTTP\/1\.1 400 /)
          assert.equal(asked, 0)
        },
      )
    })
  }

  it('refuses a header without end', () =>
    withProxy(async ({ say }) => {
      assert.match(await say(`GET http://a.test/ HTTP/1.1\r\nx: ${'a'.repeat(maxProxyHeaderBytes)}`), /^HTTP\/1\.1 400 /)
    }))

  it('does not turn into another protocol: that is what CONNECT is for', async () => {
    const site = await startRawSite((socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhi'),
    )
    await withProxy(
      async ({ say }) => {
        const asked = `GET http://site.test:${site.port}/ HTTP/1.1\r\nhost: site.test:${site.port}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`
        assert.match(await say(asked), /^HTTP\/1\.1 502 /)
      },
      { egress: { allow: [`site.test:${site.port}`] } },
    )
    await site.close()
  })

  it('answers 502 when the other side does not speak HTTP, and keeps running', async () => {
    for (const answer of [
      '',
      'garbage\r\n\r\n',
      'HTTP/1.1 200 OK\r\nbad header\x01: x\r\n\r\n',
      `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`,
    ]) {
      const site = await startRawSite((socket) => socket.once('data', () => socket.end(answer)))
      await withProxy(
        async ({ say, proxy }) => {
          const pass = await proxy.issue('online', [])
          const got = await say(by(pass, `GET http://site.test:${site.port}/ HTTP/1.1\r\nhost: site.test:${site.port}\r\n\r\n`))
          assert.match(got, /^HTTP\/1\.1 502 [^]*site\.test:\d+ gave no valid response/)
          assert.deepEqual(rowsOf((await pass.end()).rows), [`reached site.test:${site.port}`])
        },
        { egress: { allow: [`site.test:${site.port}`] } },
      )
      await site.close()
    }
  })

  it('cuts an answer that the other side cuts', async () => {
    const site = await startRawSite((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf', () => socket.destroy())),
    )
    await withProxy(
      async ({ say }) => {
        const got = await say(`GET http://site.test:${site.port}/ HTTP/1.1\r\nhost: site.test:${site.port}\r\n\r\n`)
        assert.match(got, /^HTTP\/1\.1 200 [^]*content-length: 100[^]*half$/)
      },
      { egress: { allow: [`site.test:${site.port}`] } },
    )
    await site.close()
  })
})

describe('the egress proxy, for tunnels', () => {
  it('carries bytes both ways, and each end hears when the other has ended', async () => {
    const site = await startRawSite((socket) => {
      socket.on('data', (chunk: Buffer) => socket.write(chunk.toString('latin1').toUpperCase()))
      socket.on('end', () => socket.end())
    })
    await withProxy(
      async ({ dial, proxy }) => {
        const pass = await proxy.issue('online', [])
        const socket = await dial()
        socket.write(by(pass, `CONNECT site.test:${site.port} HTTP/1.1\r\nhost: site.test:${site.port}\r\n\r\nearly `))
        assert.match(await readUntil(socket, /EARLY /), /^HTTP\/1\.1 200 [^]*\r\n\r\nEARLY $/)
        socket.write('late')
        assert.equal(await readUntil(socket, /LATE/), 'LATE')
        assert.deepEqual(
          (await pass.soFar()).rows.map(({ bytesIn, bytesOut, connections }) => [bytesIn, bytesOut, connections]),
          [[10, 10, 1]],
        )
        socket.end()
        assert.equal(await readAll(socket), '')
        await site.drained()
        const [row] = (await pass.end()).rows
        assert.deepEqual(row, {
          host: 'site.test',
          port: site.port,
          decision: 'reached',
          reason: '',
          connections: 1,
          bytesOut: 10,
          bytesIn: 10,
        })
      },
      { egress: { allow: [`site.test:${site.port}`] } },
    )
    await site.close()
  })

  it('carries megabytes without a byte too many or too few', async () => {
    const size = 20_000_000
    const site = await startRawSite((socket) => socket.once('data', () => socket.end(Buffer.alloc(size, 'x'))))
    await withProxy(
      async ({ dial }) => {
        const socket = await dial()
        socket.write(`CONNECT site.test:${site.port} HTTP/1.1\r\nhost: site.test\r\n\r\ngo`)
        const got = await readAll(socket)
        assert.equal(got.length - got.indexOf('\r\n\r\n') - 4, size)
        socket.destroy()
      },
      { egress: { allow: [`site.test:${site.port}`] } },
    )
    await site.close()
  })

  it('closes the other side when the client disconnects, even before it is connected', async () => {
    const looked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<readonly string[]>()
    const lookup = (): Promise<readonly string[]> => {
      looked.resolve()
      return answer.promise
    }
    await onSite(
      (_, response) => response.end(),
      async (site) => {
        await withProxy(
          async ({ dial, proxy }) => {
            const pass = await proxy.issue('online', [])
            const socket = await dial()
            socket.write(by(pass, `CONNECT site.test:${site.port} HTTP/1.1\r\nhost: site.test\r\n\r\n`))
            await looked.promise
            socket.destroy()
            await once(socket, 'close')
            while (/not been reached/.test((await pass.soFar()).rows[0]?.reason ?? ''))
              await new Promise((resolve) => setImmediate(resolve))
            answer.resolve(['127.0.0.1'])
            const { rows } = await pass.end()
            assert.deepEqual(rowsOf(rows), [`failed site.test:${site.port}`])
            assert.match(rows[0]!.reason, /client closed its connection/)
            assert.equal(site.sockets.size, 0)
          },
          { lookup, egress: { allow: [`site.test:${site.port}`] } },
        )
      },
    )
  })

  for (const [target, host] of [
    ['site.test:PORT', 'other.test:PORT'],
    ['site.test:PORT', 'site.test:1'],
    ['http://site.test:PORT', 'site.test'],
    ['site.test', 'site.test'],
    ['site.test:', 'site.test'],
    ['site.test:99999', 'site.test'],
    ['a@site.test:PORT', 'site.test'],
    ['a:b@site.test:PORT', 'site.test'],
    ['site.test:PORT/x', 'site.test'],
    ['site.test:PORT#x', 'site.test'],
    ['127.0.0.1#@site.test:PORT', 'site.test'],
    ['site%2etest:PORT', 'site.test'],
    ['[::ffff:7f00:1%25lo]:80', 'site.test'],
    ['[::g]:80', 'site.test'],
    ['*:PORT', 'site.test'],
    ['/:PORT', 'site.test'],
  ] as const) {
    it(`refuses CONNECT ${target} with Host ${host}, and asks nobody`, async () => {
      let asked = 0
      await through(
        (_, response) => {
          asked += 1
          response.end('reached')
        },
        async ({ say }, { port }) => {
          const got = await say(`CONNECT ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`.replaceAll('PORT', String(port)))
          assert.match(got, /^HTTP\/1\.1 400 /)
          assert.equal(asked, 0)
        },
      )
    })
  }
})

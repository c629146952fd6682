import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readUntil, startProxy } from './proxy-fixture.ts'
import { onSite } from './web-fixture.ts'
import { scaled } from '../../../test/support/scale.ts'

/** Pieces of requests, in an order that may make sense or none. */
const piece = fc.oneof(
  fc.constantFrom(
    'GET ',
    'CONNECT ',
    'POST ',
    'http://',
    'https://',
    'site.test',
    ':80',
    ':PORT',
    '/',
    ' HTTP/1.1',
    ' HTTP/1.0',
    ' HTTP/9.9',
  ),
  fc.constantFrom('\r\n', '\n', '\r', '\r\n\r\n', ':', ' ', '\t', '\0', '[', ']', '@', '%', '#', '\\', '\x7f', '\xff'),
  fc.constantFrom(
    'Host: site.test:PORT',
    'Host: 127.0.0.1',
    'Content-Length: 5',
    'Content-Length: -1',
    'Transfer-Encoding: chunked',
    '5\r\nabcde\r\n0\r\n\r\n',
  ),
  fc.constantFrom(
    'Connection: close, host',
    'Upgrade: websocket',
    'Expect: 100-continue',
    'Proxy-Authorization: Basic eDp5',
    'TE: trailers',
  ),
  fc.string({ maxLength: 30 }),
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
)

describe('whatever a client of the proxy sends', () => {
  it('the proxy keeps running and connects only where the policy allows', async () => {
    const hosts = new Set<string | undefined>()
    await onSite(
      (request, response) => {
        hosts.add(request.headers.host)
        request.on('error', () => undefined)
        response.end('reached')
      },
      async (site) => {
        const lookup = (): Promise<readonly string[]> => Promise.resolve(['127.0.0.1'])
        const { dial, say, close } = await startProxy({ lookup, ownAddresses: () => [], egress: { allow: [`site.test:${site.port}`] } })
        try {
          await fc.assert(
            fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 12 }), fc.boolean(), async (pieces, abrupt) => {
              const socket = await dial()
              socket.write(Buffer.from(pieces.join('').replaceAll('PORT', String(site.port)), 'latin1'))
              if (abrupt) socket.destroy()
              else socket.end()
              if (!abrupt) await readUntil(socket, /^HTTP\/1\.1 \d/)
              socket.destroy()
            }),
            { numRuns: scaled(400) },
          )
          const good = `GET http://site.test:${site.port}/ HTTP/1.1\r\nhost: site.test:${site.port}\r\n\r\n`
          assert.match(await say(good), /^HTTP\/1\.1 200 [^]*reached$/m)
          assert.deepEqual([...hosts], [`site.test:${site.port}`])
        } finally {
          await close()
        }
      },
    )
  })
})

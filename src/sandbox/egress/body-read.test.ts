import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, it } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { isOxbowError } from '../../base/index.ts'
import { get, onSite as on } from './web-fixture.ts'

describe('a packed body', () => {
  const text = 'a long page '.repeat(1_000)
  const packed = { gzip: gzipSync(text), 'x-gzip': gzipSync(text), br: brotliCompressSync(text), ' GZIP ': gzipSync(text) }
  const send =
    (encoding: string, body: Buffer): RequestListener =>
    (_, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(body)

  for (const [encoding, body] of Object.entries(packed))
    it(`as ${encoding} is unpacked`, () => on(send(encoding, body), async (site) => assert.equal((await get(site)).body.toString(), text)))

  it('whose end is missing gives what is there', () =>
    on(send('gzip', packed.gzip.subarray(0, -20)), async (site) => assert.match((await get(site)).body.toString(), /^a long page/)))

  for (const [encoding, pack] of [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
  ] as const)
    it(`as ${encoding} that is a bomb is left at the limit`, () =>
      on(
        send(encoding, pack(Buffer.alloc(20_000_000))),
        async (site) => {
          const { body, cut } = await get(site)
          assert.deepEqual([body.length, cut], [100_000, true])
        },
        { maxBytes: 100_000 },
      ))

  it('that never ends and holds nothing is left at the limit', async () => {
    const nothing = Buffer.concat(Array.from({ length: 1_000 }, () => gzipSync('')))
    await on(
      (_, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' })
        const more = (): void => {
          while (!response.destroyed && response.write(nothing));
        }
        response.on('drain', more)
        more()
      },
      async (site) => {
        await assert.rejects(get(site), (error) => isOxbowError(error, 'limit_reached'))
        await site.drained()
      },
      { maxBytes: 100_000 },
    )
  })
})

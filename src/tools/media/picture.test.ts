import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { OxbowError } from '../../base/index.ts'
import type { CallContext, Hands } from '../../protocol/index.ts'
import { fileRead } from '../files/read-calls.ts'
import { maxPictureBytes } from '../limits.ts'
import { keepPicture } from './picture.ts'
import { createSeenFiles } from '../workspace-arguments.ts'
import { pngOf } from './picture-fixture.ts'
import { scaled } from '../../../test/support/scale.ts'

function shelf() {
  const stored: Uint8Array[] = []
  const blobs = { keep: async (bytes: Uint8Array) => `h${stored.push(bytes)}`, read: () => Promise.resolve(null) }
  return { stored, blobs }
}

const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64')
const jpeg = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=',
  'base64',
)
const webp = Buffer.from('UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==', 'base64')

describe('a picture for a model', () => {
  it('is stored with its type and size, in pieces', async () => {
    const { stored, blobs } = shelf()
    const png = pngOf(200, 100)
    const picture = await keepPicture('/shared/a/b.png', png, blobs)
    assert.deepEqual(picture, {
      file: { name: 'b.png', media_type: 'image/png', bytes: png.length, pieces: ['h1'] },
      width: 200,
      height: 100,
    })
    assert.deepEqual(Buffer.concat(stored), png)
    for (const [bytes, type] of [
      [gif, 'image/gif'],
      [webp, 'image/webp'],
      [Buffer.concat([jpeg, Buffer.from('ffd9', 'hex')]), 'image/jpeg'],
    ] as const) {
      const found = await keepPicture('x', bytes, blobs)
      assert.equal(typeof found === 'string' ? found : found.file.media_type, type)
    }
  })

  it('is neither shown nor stored when a service would refuse it', async () => {
    const { stored, blobs } = shelf()
    const png = pngOf(20, 10)
    const why = async (bytes: Buffer): Promise<string> => {
      const found = await keepPicture('x', bytes, blobs)
      assert.equal(typeof found, 'string')
      return found as string
    }
    assert.match(await why(png.subarray(0, png.length - 20)), /damaged or incomplete/)
    assert.match(await why(Buffer.concat([png.subarray(0, 8), Buffer.from('nonsense IEND')])), /damaged or incomplete/)
    const spoiled = Buffer.from(png)
    spoiled[45]! ^= 1
    assert.match(await why(spoiled), /damaged or incomplete/)
    assert.match(await why(Buffer.concat([png.subarray(0, 33), Buffer.from('nonsense IEND')])), /damaged or incomplete/)
    assert.match(await why(jpeg.subarray(0, 40)), /damaged or incomplete/)
    assert.match(await why(webp.subarray(0, 20)), /damaged or incomplete/)
    assert.match(await why(pngOf(9_000, 1)), /9000 × 1; the limit is 8000/)
    assert.match(await why(Buffer.concat([png, Buffer.alloc(maxPictureBytes)])), /the limit is 3750000/)
    assert.match(await why(Buffer.from('0000001c6674797061766966', 'hex')), /not image\/avif/)
    assert.match(await why(Buffer.from('words')), /not text\/plain/)
    assert.equal(stored.length, 0)
  })

  it('is read from hostile bytes without throwing', async () => {
    const { blobs } = shelf()
    const heads = [pngOf(4, 4), gif, jpeg, webp]
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...heads), fc.nat(40), fc.uint8Array({ maxLength: 200 }), async (head, cut, tail) => {
        const found = await keepPicture(
          'x',
          Buffer.concat([head.subarray(0, 4 + cut), tail, Buffer.from('\xff\xd9IEND;', 'latin1')]),
          blobs,
        )
        assert.ok(typeof found === 'string' || (found.width > 0 && found.height > 0))
      }),
      { numRuns: scaled(300) },
    )
  })
})

describe('file.read of a picture', () => {
  /** Hands that have one binary file. */
  const reading = async (content: Buffer) => {
    const { blobs } = shelf()
    const ask = async (op: string, { offset, maxBytes }: { offset: number; maxBytes: number }) => {
      if (op === 'read') throw new OxbowError('not_text', 'It is a binary file.', { hint: 'Read a range of it.' })
      return { content: content.subarray(offset, offset + maxBytes), offset, totalBytes: content.length }
    }
    const sandbox = { ...createFakeSandbox(), hands: () => Promise.resolve({ ask } as unknown as Hands) }
    const context = { id: 'c.0', caller: { session: 's' }, signal: new AbortController().signal, sandbox, blobs } as unknown as CallContext
    const call = fileRead(createSeenFiles())
    const done = await call.run(call.input.parse({ path: 'a.png' }), context)
    call.output.parse(done.output)
    return done
  }

  it('returns the picture and names it', async () => {
    const { text, files, ok } = await reading(pngOf(20, 10))
    assert.match(text ?? '', /^\/shared\/a\.png \(image\/png, 20 × 10, \d+ bytes\): the picture is attached to this result\.$/)
    assert.deepEqual([files?.length, files?.[0]?.media_type, ok], [1, 'image/png', undefined])
  })

  it('says why a picture is not shown, and refuses other binary files as before', async () => {
    const { text, files, ok } = await reading(pngOf(9_000, 1))
    assert.match(text ?? '', /cannot be shown\. It is 9000 × 1/)
    assert.deepEqual([files, ok], [undefined, false])
    await assert.rejects(reading(Buffer.from('7f454c46000000', 'hex')), { code: 'not_text' })
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { cleanFileName, mediaTypeOf } from './message.ts'

describe('the kind of a file', () => {
  const from = (hex: string, said = 'x/y') => mediaTypeOf(Buffer.from(hex.replaceAll(' ', ''), 'hex'), said)

  it('is told by its first bytes, whatever was said', () => {
    assert.equal(from('89504e47 0d0a1a0a 00', 'text/html'), 'image/png')
    assert.equal(from('ffd8ffe0', 'image/png'), 'image/jpeg')
    assert.equal(from('52494646 10000000 57454250 56503820'), 'image/webp')
    assert.equal(from('52494646 10000000 57415645'), 'audio/wav')
    assert.equal(from('255044462d312e37'), 'application/pdf')
    assert.equal(from('00000018 66747970 69736f6d'), 'video/mp4')
    assert.equal(from('fffb9064 00'), 'audio/mpeg')
    assert.equal(from('7f454c46 0201', 'image/png'), 'application/x-executable')
  })

  it('is believed among texts and among ZIP files, and nowhere else', () => {
    assert.equal(mediaTypeOf(Buffer.from('a,b'), 'text/csv'), 'text/csv')
    assert.equal(mediaTypeOf(Buffer.from('{}'), 'application/json'), 'application/json')
    assert.equal(mediaTypeOf(Buffer.from('<svg>'), 'image/svg+xml'), 'text/plain')
    assert.equal(mediaTypeOf(Buffer.from('text'), 'image/png'), 'text/plain')
    assert.equal(from('504b0304', 'application/epub+zip'), 'application/epub+zip')
    assert.equal(from('504b0304', 'image/png'), 'application/zip')
    assert.equal(from('00010203', 'image/png'), 'application/octet-stream')
  })

  it('is text also when the head ends within a character', () => {
    assert.equal(mediaTypeOf(Buffer.from('ö').subarray(0, 1), ''), 'text/plain')
    assert.equal(from('80'), 'application/octet-stream')
  })

  it('can be told of anything', () => {
    fc.assert(fc.property(fc.uint8Array(), fc.string(), (head, said) => assert.match(mediaTypeOf(head, said), /^[\w.+-]+\/[\w.+-]+$/)))
  })
})

describe('the name of a file', () => {
  it('has no folders, no control characters, and is never empty', () => {
    assert.equal(cleanFileName('C:\\Users\\ada\\photo.png'), 'photo.png')
    assert.equal(cleanFileName('../../etc/passwd'), 'passwd')
    assert.equal(cleanFileName('a\u202egnp.exe\n'), 'agnp.exe')
    for (const nothing of ['', '..', '.', '/', '\u0000', 'a/']) assert.equal(cleanFileName(nothing), 'file')
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (name) => {
        const clean = cleanFileName(name)
        assert.ok(clean.length > 0 && Array.from(clean).length <= 150 && !/[\p{C}/\\]/u.test(clean))
      }),
    )
  })
})

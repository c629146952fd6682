import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { createMarkFinder, pageEnd, pageStart, toPlainText } from './output-text.ts'

describe('the text of a terminal', () => {
  it('reads as its lines stood at last', () => {
    for (const [raw, plain] of [
      ['\u001B[1;31mred\u001B[0m and \u001B]0;a title: ~\u0007plain\r\n', 'red and plain\n'],
      ['\u001B[?2004hfalse\r\n\u001B[?2004l\rx\r\n', 'false\nx\n'],
      [' 10%\r 50%\r100%\r\ndone', '100%\ndone'],
      ['N\bNA\bAM\bM, lsx\b \bs', 'NAM, lss'],
      ['\u001B(B\u001B=\u001BPq#0\u001B\\tail\u0007', 'tail'],
      ['\u001B]0;never ended', '0;never ended'],
      ['nul \u0000, c1 \u0085', 'nul \uFFFD, c1 \uFFFD'],
    ] as const) {
      assert.equal(toPlainText(raw), plain, JSON.stringify(raw))
    }
  })

  it('never holds a control character, whatever it was', () => {
    const texts = fc.string({
      unit: fc.constantFrom('\u001B', '[', ']', '0', ';', 'm', '\u0007', '\r', '\n', '\b', 'ü', '\u009B', '\\', 'P'),
    })
    fc.assert(
      // oxlint-disable-next-line no-control-regex -- control characters are the point
      fc.property(texts, (text) => assert.doesNotMatch(toPlainText(text), /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/)),
    )
  })

  it('is split into pages inside no character and no sequence, and every page makes progress', () => {
    const pieces = fc.constantFrom('a', 'ü', '€', '🙂', '\u001B[31m', '\u001B]0;t t\u0007', '\u001BPx\u001B\\', '\r\n', '\u001B(B')
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), fc.integer({ min: 9, max: 40 }), (parts, size) => {
        const all = Buffer.from(parts.join(''))
        let plain = ''
        for (let at = 0; at < all.length;) {
          const page = all.subarray(at, at + size)
          const length = at + size >= all.length ? page.length : pageEnd(page)
          assert.ok(length > 0)
          plain += toPlainText(page.subarray(0, length).toString())
          at += length
        }
        assert.equal(plain, toPlainText(all.toString()))
      }),
    )
  })

  it('that begins in the middle of a character begins with the next one', () => {
    const bytes = Buffer.from('€x')
    assert.deepEqual(
      [0, 1, 2, 3].map((from) => pageStart(bytes.subarray(from))),
      [0, 2, 1, 0],
    )
    assert.equal(pageStart(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x41])), 0)
  })
})

describe('the mark of a prompt', () => {
  it('is found however its bytes are split, and not confused with similar text', () => {
    const mark = (code: string) => `\u001B]133;A;oxbow=${code}\u0007`
    const text = `x${mark('0')}$ ls\u001B[0m${mark('127')}${mark('')}> \u001B]133;A;oxbow=lie\u0007\u001B]133;A${mark('5')}`
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (sizes) => {
        const find = createMarkFinder()
        const bytes = Buffer.from(text)
        const found: [number, number | null][] = []
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const size = sizes[i % sizes.length]!
          for (const { end, exitCode } of find(bytes.subarray(at, at + size))) found.push([at + end, exitCode])
          at += size
        }
        const ends = [...text.matchAll(/oxbow=\d*(?!\w)/g)].map((match) => match.index + match[0].length + 1)
        assert.deepEqual(
          found,
          [0, 127, null, 5].map((code, i) => [ends[i], code]),
        )
      }),
    )
  })
})

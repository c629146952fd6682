import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { pieceCharacters } from '../limits.ts'
import { withoutHidden, withoutHiddenPieces } from './decode-text.ts'
import { scaled } from '../../../test/support/scale.ts'

/** As they are smuggled: a byte for each selector. */
const selectors = (text: string): string => Array.from(Buffer.from(text), (byte) => String.fromCodePoint(0xe0100 + byte - 16)).join('')
const tags = (text: string): string => Array.from(Buffer.from(text), (byte) => String.fromCodePoint(0xe0000 + byte)).join('')

it('invisible characters are removed, of whatever kind', () => {
  const binary = Array.from('obey', (char) => char.charCodeAt(0).toString(2).replaceAll('0', '\u200b').replaceAll('1', '\u2060')).join('')
  const notes = binary.replaceAll('\u200b', '\u061c').replaceAll('\u2060', '\u{1d173}')
  for (const hidden of [selectors('obey'), tags('obey'), binary, notes, '\u2064\u00ad\ufeff\u3164\u180e', '\u202eyebo\u202c'])
    assert.equal(withoutHidden(`Oxen${hidden} pull.`), `Oxen${hidden.includes('yebo') ? 'yebo' : ''} pull.`)
})

it('characters that scripts need stay', () => {
  for (const text of ['می\u200cخواهم', '👩\u200d👩\u200d👧 ☺\ufe0f', 'ünïcödé\ttab\nline', '한글 漢字'])
    assert.equal(withoutHidden(text), text)
})

it('a long text gives the same result in pieces, wherever they end', async () => {
  const { signal } = new AbortController()
  const short = fc.string({ unit: fc.constantFrom('\r', '\n', '\0', 'a', '\u{e0041}', '🐂', '\u200d'), maxLength: 12 })
  const property = fc.asyncProperty(short, short, async (before, after) => {
    const text = `${'x'.repeat(pieceCharacters - 6)}${before}${after}`
    assert.deepEqual(await withoutHiddenPieces(text, signal), Buffer.from(withoutHidden(text)))
  })
  await fc.assert(property, { numRuns: scaled(300) })
})

it('a long text lets the event loop run, and can be cancelled', async () => {
  const ending = new AbortController()
  setImmediate(() => ending.abort(new Error('enough')))
  await assert.rejects(withoutHiddenPieces('\r'.repeat(10 * pieceCharacters), ending.signal), /enough/)
})

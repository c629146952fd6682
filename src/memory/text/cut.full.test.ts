import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import type { CutPassage, TextFormat } from './text-engine.ts'
import { storedTermsOf } from './classes.ts'
import { cutText } from './cut.ts'
import { maxCutUnits, overlapUnits, passageUnits } from './text-limits.ts'
import { scaled } from '../../../test/support/scale.ts'

/** The text again, from passages that overlap; throws where they leave a hole. */
function together(passages: readonly CutPassage[]): string {
  let text = ''
  for (const passage of passages) {
    assert.ok(passage.start <= text.length, `a hole before ${passage.start}`)
    assert.ok(text.endsWith(passage.text.slice(0, text.length - passage.start)), 'the overlap says something else')
    text += passage.text.slice(text.length - passage.start)
  }
  return text
}

const texts = (passages: readonly CutPassage[]): string[] => passages.map(({ text }) => text)
const sentence = (place: number): string => `This is sentence number ${place}, which says a little about oxen and rivers. `

void describe('cutting a text', () => {
  void it('gives passages that are the text again when they are put together, whatever it is', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.constantFrom(
        '# head\n',
        '\n\n',
        '```\n',
        '| a | b |\n',
        '- item ',
        '. ',
        'Dr. Who. ',
        '\r\n',
        ' \u0301',
        '👩‍👩‍👧',
        '🇩🇪',
        'ก็',
        '한국어',
        '漢字。',
      ),
      fc.tuple(fc.constantFrom('x', 'word ', '漢', '👍🏽', 'line\n'), fc.nat(400)).map(([unit, times]) => unit.repeat(times)),
    )
    const format = fc.constantFrom<TextFormat>('text', 'markdown', 'code')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), format, (pieces, as) => {
        const text = pieces.join('')
        const passages = cutText(text, as)
        assert.equal(together(passages), text.trim() === '' ? '' : text)
        const borders = new Set(Array.from(new Intl.Segmenter('und').segment(text), ({ index }) => index))
        for (const [place, passage] of passages.entries()) {
          assert.equal(passage.part, place)
          assert.ok(passage.text.length <= passageUnits)
          assert.ok(borders.has(passage.start), `${passage.start} is inside a character`)
          assert.equal(text.slice(passage.start, passage.start + passage.text.length), passage.text)
          const end = (passages[place - 1]?.start ?? 0) + (passages[place - 1]?.text.length ?? 0)
          assert.ok(end - passage.start <= overlapUnits && passage.start >= (passages[place - 1]?.start ?? 0))
        }
      }),
      { numRuns: scaled(400) },
    )
  })

  void it('leaves a short text whole and makes nothing of white space', () => {
    assert.deepEqual(cutText('Ada likes oxen.', 'text'), [
      { part: 0, start: 0, text: 'Ada likes oxen.', terms: storedTermsOf('Ada likes oxen.'), context: '' },
    ])
    assert.deepEqual(cutText(' \n\t\u3000\n', 'markdown'), [])
    assert.deepEqual(cutText('', 'code'), [])
  })

  void it('cuts prose between sentences, and says the last ones again', () => {
    const text = Array.from({ length: 40 }, (_, place) => sentence(place)).join('')
    const passages = cutText(text, 'text')
    assert.ok(passages.length > 4)
    for (const { text: each } of passages) assert.match(each, /^This is .* rivers\. $/s)
    for (const [place, { start }] of passages.entries()) {
      const before = passages[place - 1]
      if (before !== undefined) assert.ok(before.start + before.text.length - start > 40)
    }
  })

  void it('is not fooled by abbreviations, numbers and quotes', () => {
    const tricky = 'Dr. Ada Lowe met Prof. Bo St. Clair and Mr. J. R. Oak at 3 p.m. on Jan. 5, e.g. for No. 7, i.e. the ox. '
    const passages = cutText(tricky.repeat(12), 'text')
    assert.ok(passages.length > 1)
    for (const { text } of passages) assert.match(text, / the ox\. $/s)
  })

  void it('cuts Chinese, Japanese and Thai where their sentences end, or at least between characters', () => {
    const passages = cutText('今日は天気がとても良いので、公園へ散歩に行きました。'.repeat(60), 'text')
    for (const { text } of passages) assert.match(text, /^今日.*。$/su)
    const thai = cutText('ฉันชอบกินข้าวผัดที่โรงเรียนทุกวัน'.repeat(60), 'text')
    assert.ok(thai.length > 2 && thai.every(({ text }) => !/^\p{M}/u.test(text)))
  })

  void it('begins a passage at a heading and knows the headings above', () => {
    const body = (word: string): string => `${`A line about ${word} and what it does. `.repeat(8)}\n\n`
    const text = `# Oxen\n\n${body('oxen')}## Yokes\n\n${body('yokes')}### Collars\n\n${body('collars')}## Rivers\n\n${body('rivers')}`
    const passages = cutText(text, 'markdown')
    assert.deepEqual(
      passages.map(({ text: each }) => each.split('\n')[0]),
      ['# Oxen', '## Yokes', '### Collars', '## Rivers'],
    )
    assert.deepEqual(
      passages.map(({ context }) => context),
      ['', 'oxen', 'oxen yoke', 'oxen'],
    )
  })

  void it('does not tear code, a table or a list item that fits', () => {
    const prose = 'Some words of an introduction stand here. '.repeat(11)
    const code = `\`\`\`ts\n${'const value = compute(7)\n\n'.repeat(18)}\`\`\`\n`
    const table = `| name | age |\n|---|---|\n${'| an ox | 7 |\n'.repeat(25)}`
    const passages = texts(cutText(`${prose}\n\n${code}\n${prose}\n\n${table}\n${prose}`, 'markdown'))
    assert.equal(passages.filter((each) => each.includes(code)).length, 1)
    assert.equal(passages.filter((each) => each.includes(table)).length, 1)
    const list = texts(
      cutText(`${prose}\n\n${'- One item of the list, which goes on\n  in a second line of its own.\n'.repeat(20)}`, 'markdown'),
    )
    for (const each of list.slice(1)) assert.match(each, /^- One/)
    // A heading inside a fence does not count.
    assert.equal(cutText(`${code.replace('const', '# const')}\n${prose}`, 'markdown')[1]?.context, '')
  })

  void it('cuts code between functions, and never inside a line that fits', () => {
    const fn = (name: number): string => `function name${name}() {\n  const a = ${name}\n\n  return a + ${'1 + '.repeat(40)}0\n}\n\n`
    const passages = texts(cutText(Array.from({ length: 12 }, (_, place) => fn(place)).join(''), 'code'))
    assert.ok(passages.length > 3)
    for (const each of passages) assert.match(each, /^function .*\n}\n+$/s)
    const long = texts(cutText(`${'x'.repeat(50)}\n`.repeat(100), 'code'))
    for (const each of long) assert.match(each, /^(?:x{50}\n)+$/)
  })

  void it('takes 10 MB of one line, and much of headings, of empty lines and of one character', () => {
    const mega = 10 * 1024 * 1024
    for (const unit of ['x', '# a\nb\n', '\n', 'é\u0301', '漢字', '- a\n', '```\na\n']) {
      const text = unit.repeat(Math.floor(mega / 16 / unit.length))
      const passages = cutText(text, 'markdown')
      assert.ok(passages.length <= text.length / 64, `${passages.length} passages of ${JSON.stringify(unit)}`)
    }
    const line = 'word '.repeat(mega / 5)
    let covered = 0
    for (const { start, text } of cutText(line, 'text')) {
      assert.ok(start <= covered && text.length <= passageUnits)
      covered = start + text.length
    }
    assert.equal(covered, line.length)
    assert.throws(
      () => cutText('x'.repeat(maxCutUnits + 1), 'text'),
      (error) => isOxbowError(error, 'limit_reached') && error.hint.includes('Split'),
    )
  })
})

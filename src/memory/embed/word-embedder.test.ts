import { readFileSync } from 'node:fs'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { readQuestion } from '../text/read-question.ts'
import { termsOf } from '../text/terms.ts'
import type { AskedTerms } from '../text/text-engine.ts'
import { createLocalTextEngine } from '../text/text-thread.ts'
import { decodeShared, encodeWordTable, namesIn, partsOfTerm, readWordTable, sharedPartsOf } from './word-table.ts'
import shared from './words-50k-shared.json' with { type: 'json' }
import { createWordEmbedder, openBuiltInWords } from './word-embedder.ts'
import { scaled } from '../../../test/support/scale.ts'

const cosine = (one: Float32Array, other: Float32Array): number => one.reduce((sum, value, place) => sum + value * (other[place] ?? 0), 0)
const copyOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => Uint8Array.from(bytes)
const damagedTable = (error: unknown): boolean => isOxbowError(error, 'bad_config') && error.hint !== ''

void describe('a table of word vectors', () => {
  void it('gives back every word with its vector, to one part in 127 of its greatest number', () => {
    const rows = fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 40 })
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 8 }), (words, dims) => {
        const vectors = words.map((word, place) => ({ word, vector: Array.from({ length: dims }, (_, dim) => Math.sin(place * 7 + dim)) }))
        const table = readWordTable(copyOf(encodeWordTable(vectors, dims)))
        assert.deepEqual([table.words, table.dims], [words.length, dims])
        for (const { word, vector } of vectors) {
          const place = table.find(word)
          assert.equal(table.wordAt(place), word)
          const sum = new Float32Array(dims)
          table.addTo(sum, place, 2)
          const most = Math.max(...vector.map(Math.abs))
          for (const [dim, value] of vector.entries()) assert.ok(Math.abs((sum[dim] ?? 0) - 2 * value) <= (2 * most) / 127)
          if (!words.includes(`${word}x`)) assert.equal(table.find(`${word}x`), -1)
        }
      }),
    )
  })

  void it('has a word that it does not know by its two parts, and by none where one is missing', () => {
    const known = ['moon', 'light', 'moonl', 'moonlit'].map((word, i) => ({ word, vector: [1, i] }))
    const table = readWordTable(copyOf(encodeWordTable(known, 2)))
    const parts = (term: string): readonly string[] => partsOfTerm(table, term).map((place) => table.wordAt(place))
    assert.deepEqual(parts('moonlight'), ['moon', 'light'])
    assert.deepEqual(parts('moonlit'), ['moonlit'])
    assert.deepEqual([parts('moonbeam'), parts('mo')], [[], []])
  })

  void it('refuses a file that is damaged anywhere, cut off, or something else', () => {
    const good = copyOf(encodeWordTable([{ word: 'ox', vector: [1, -1] }], 2))
    assert.equal(readWordTable(good).find('ox'), 0)
    for (let place = 0; place < good.length; place += 1) {
      const bad = good.slice()
      bad[place] = (bad[place] ?? 0) ^ 0x41
      assert.throws(() => readWordTable(bad), damagedTable, `byte ${place}`)
    }
    for (let length = 0; length < good.length; length += 1) assert.throws(() => readWordTable(good.slice(0, length)), damagedTable)
    assert.throws(() => readWordTable(new Uint8Array(1_000).fill(0xff)), damagedTable)
  })
})

void describe('the embedder of words', () => {
  const words = { ox: [1, 0, 0], river: [0, 1, 0], study: [0, 0, 1], the: [1, 1, 1] }
  const entries = Object.entries(words).map(([word, vector]) => ({ word, vector }))
  const small = createWordEmbedder(readWordTable(copyOf(encodeWordTable(entries, 3))), 'small')
  const half = Math.SQRT1_2

  void it('gives the mean of the words that say something, with length one', async () => {
    const vectors = await small.embed(['The OX, the river!', 'ox', 'the', 'nothing known', ''])
    const rounded = vectors.map((vector) => Array.from(vector, (value) => Math.round(value * 1e4) / 1e4))
    const near = (value: number): number => Math.round(value * 1e4) / 1e4
    const third = near(1 / Math.sqrt(3))
    assert.deepEqual(rounded, [
      [near(half), near(half), 0],
      [1, 0, 0],
      [third, third, third],
      [0, 0, 0],
      [0, 0, 0],
    ])
  })

  void it('knows forms of a word, its parts, and humps', async () => {
    const [study] = await small.embed(['study'])
    for (const form of ['studies', 'Studying', "study's", 'study2']) assert.deepEqual((await small.embed([form]))[0], study, form)
    assert.deepEqual((await small.embed(['ox-river', 'oxRiver', 'ox river']))[0], (await small.embed(['oxRiver']))[0])
  })

  void it('of Oxbow knows 50 000 words, and what is alike', async () => {
    const built = openBuiltInWords()
    assert.deepEqual([built.dims, built.id], [100, 'words-50k-v1'])
    const [doctor, physician, guitar] = await built.embed(['She saw a doctor', 'a physician', 'playing the guitar'])
    assert.ok(doctor !== undefined && physician !== undefined && guitar !== undefined)
    assert.ok(cosine(doctor, physician) > cosine(doctor, guitar))
    assert.ok(Math.abs(cosine(doctor, doctor) - 1) < 1e-5)
  })

  void it('of Oxbow shares what is kept next to it: see scripts/make-word-table.ts', () => {
    const table = readWordTable(new Uint8Array(readFileSync(new URL('./words-50k.bin', import.meta.url))))
    assert.deepEqual(decodeShared(shared.words, table.dims), sharedPartsOf(table))
  })

  void it('makes a vector of any text, always the same', async () => {
    const built = openBuiltInWords()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        const [one, other] = await built.embed([text, text])
        assert.deepEqual(one, other)
        const length = Math.sqrt(cosine(one as Float32Array, one as Float32Array))
        assert.ok(length === 0 || Math.abs(length - 1) < 1e-4)
      }),
    )
    const [long] = await built.embed(['ox '.repeat(1_000_000)])
    assert.ok(long !== undefined && long.length === 100)
  })
})

const terms = (text: string, context = ''): { terms: string; context: string } => ({
  terms: termsOf(text).join(' '),
  context: termsOf(context).join(' '),
})
const asked = (question: string): AskedTerms => ({ question, terms: readQuestion(question).terms })
const closenessOf = async (question: string, ...texts: readonly (string | readonly [string, string])[]): Promise<readonly number[]> => {
  const passages = texts.map((each) => (typeof each === 'string' ? terms(each) : terms(each[1], each[0])))
  const closeness = await openBuiltInWords().closeness?.(asked(question), passages)
  assert.ok(closeness !== undefined && closeness !== null)
  return closeness
}

void describe('closeness word by word', () => {
  void it('is greatest for the same words, then for near ones, then for others', async () => {
    const [same, near, other] = await closenessOf(
      'Which doctor did she visit?',
      'She visits the doctor tomorrow.',
      'The nurse at the hospital was kind.',
      'We painted the fence green.',
    )
    assert.ok(same !== undefined && near !== undefined && other !== undefined)
    assert.ok(same > 0.95 && same > near && near > other, `${same} ${near} ${other}`)
  })

  void it('finds words again that lost their endings in the index', async () => {
    const [dancing, baking] = await closenessOf('Does she like ballet?', 'She went dancing.', 'She was baking.')
    assert.ok((dancing ?? 0) > (baking ?? 0))
  })

  void it('counts what stood before, less than the text itself', async () => {
    const [own, before, none] = await closenessOf(
      'What is the name of the kitten?',
      'The kitten is called Miso.',
      ['What about the kitten?', 'It is Miso.'],
      'It is Miso.',
    )
    assert.ok((own ?? 0) > (before ?? 0) && (before ?? 0) > (none ?? 0))
  })

  void it('counts light words less than what a question is about', async () => {
    const [light, matter] = await closenessOf('Which bread did she decide on?', 'They decide on it.', 'It is bread.')
    assert.ok((matter ?? 0) > (light ?? 1), `${matter} ${light}`)
  })

  void it('counts a second word that is near, and not where the word itself stands', async () => {
    const [two, one] = await closenessOf('Which doctor?', 'The nurse and the physician.', 'The physician and the fence.')
    assert.ok((two ?? 0) > (one ?? 1), `${two} ${one}`)
    assert.deepEqual(await closenessOf('Which doctor?', 'The doctor and the nurse.', 'The doctor and the fence.'), [1, 1])
  })

  void it('counts a word less when something near it stands in every passage', async () => {
    const share = async (others: string): Promise<number> => {
      const [paddle = 0] = await closenessOf('Does the doctor paddle?', 'We paddle.', ...Array.from({ length: 40 }, () => others))
      return paddle
    }
    const [nurses, fences] = [await share('The nurse slept.'), await share('The fence fell.')]
    assert.ok(nurses > fences + 0.02, `${nurses} ${fences}`)
  })

  void it('takes a name for nothing but itself', async () => {
    const [rosa, maria] = await closenessOf('What does Rosa cook?', 'Rosa cooks soup.', 'Maria cooks soup.')
    const [lower, other] = await closenessOf('what does rosa cook?', 'Rosa cooks soup.', 'Maria cooks soup.')
    assert.ok((rosa ?? 0) - (maria ?? 0) > (lower ?? 0) - (other ?? 0))
  })

  void it('says nothing of a question in a language that the table does not know, nor of one without words', async () => {
    const { closeness } = openBuiltInWords()
    assert.equal(await closeness?.(asked('우리 고양이 이름이 뭐야?'), [terms('고양이 이름은 미소야')]), null)
    const engine = createLocalTextEngine({ embedder: 'none' })
    assert.equal(await engine.closeness(asked('Which doctor?'), [terms('the doctor')]), null)
    await engine.close()
  })

  void it('is from 0 to 1 for any text, one for each passage', async () => {
    const { closeness } = openBuiltInWords()
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), async (odd, texts) => {
        const found = await closeness?.(
          asked(`${odd} river`),
          texts.map((text) => terms(text, odd)),
        )
        if (found === null || found === undefined) return
        assert.equal(found.length, texts.length)
        for (const each of found) assert.ok(each >= 0 && each <= 1, String(each))
      }),
      { numRuns: scaled(50) },
    )
  })
})

void describe('names in a question', () => {
  void it('are words with a capital inside a sentence', () => {
    assert.deepEqual([...namesIn("Where did Anna-Maria meet Tom's brother in New York?")], ['anna-maria', 'tom', 'new', 'york'])
    assert.deepEqual([...namesIn('Where was it? Paris.')], [])
  })

  void it('are not told by capitals where every word has one', () => {
    assert.deepEqual([...namesIn('WHERE DID ANNA GO')], [])
    assert.deepEqual([...namesIn('The History Of The World')], [])
  })
})

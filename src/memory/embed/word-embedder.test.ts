import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../types/index.ts'
import { openBuiltInWords } from './built-in-words.ts'
import { createWordEmbedder } from './word-embedder.ts'
import { encodeWordTable, readWordTable } from './word-table.ts'

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

  void it('refuses a file that is damaged anywhere, cut off, or something else', () => {
    const good = copyOf(encodeWordTable([{ word: 'ox', vector: [1, -1] }], 2))
    assert.equal(readWordTable(good).find('ox'), 0)
    for (let place = 0; place < good.length; place += 1) {
      // The twelve zeros of the header mean nothing.
      if (place >= 20 && place < 32) continue
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

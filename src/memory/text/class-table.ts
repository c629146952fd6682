/**
 * A table of nouns and the words of their classes in one file, searched in place, so that opening it creates no objects per noun.
 *
 * Little-endian. Header of 64 bytes: `OXWC`, version, nouns, lists, words, bytes of the list members (each u32), 8 zeros, SHA-256 of the
 * rest. Then, each with one more offset than entries: offsets (u32) of the nouns, of the lists and of the words; the list of each noun
 * (u16, padded to 4 bytes); the members of the lists (u16 numbers of words); the UTF-8 bytes of the words; the nouns' bytes, sorted.
 */
import { createHash } from 'node:crypto'
import { OxbowError } from '../../base/index.ts'

export interface ClassTable {
  /** @returns the class words of a noun, or of two joined by a space; empty if it is unknown */
  classesOf(noun: string): readonly string[]
}

const magic = 'OXWC'
const version = 1
const headerBytes = 64
/** Nouns whose classes are cached: a lookup takes microseconds, and most words of a person repeat. */
const maxHeld = 8_000
/** More lists than a u16 counts. */
const maxLists = 65_535

/** @param classes by noun, as terms of the index @throws RangeError if there are too many different lists */
export function encodeClassTable(classes: ReadonlyMap<string, ReadonlySet<string>>): Uint8Array {
  const words = new Map<string, number>()
  for (const each of classes.values()) for (const word of each) if (!words.has(word)) words.set(word, words.size)
  const lists = new Map<string, number>()
  const nouns = [...classes]
    .map(([noun, each]) => ({
      bytes: Buffer.from(noun),
      list: [...each]
        .map((word) => words.get(word) ?? 0)
        .sort((a, b) => a - b)
        .join(),
    }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
  for (const { list } of nouns) if (!lists.has(list)) lists.set(list, lists.size)
  if (lists.size > maxLists || words.size > maxLists) throw new RangeError(`${lists.size} lists of ${words.size} words`)
  const members = [...lists.keys()].map((list) => Buffer.from(Uint16Array.from(list.split(','), Number).buffer))
  const wordBytes = [...words.keys()].map((word) => Buffer.from(word))
  const ofNouns = Buffer.alloc(Math.ceil(nouns.length / 2) * 4)
  for (const [i, { list }] of nouns.entries()) ofNouns.writeUInt16LE(lists.get(list) ?? 0, i * 2)
  const nounBytes = nouns.map(({ bytes }) => bytes)
  const memberBytes = Buffer.concat(members)
  const rest = [offsetsOf(nounBytes), offsetsOf(members), offsetsOf(wordBytes), ofNouns, memberBytes, ...wordBytes, ...nounBytes]
  const header = Buffer.alloc(headerBytes)
  header.write(magic, 0, 'latin1')
  for (const [i, value] of [version, nouns.length, lists.size, words.size, memberBytes.length].entries())
    header.writeUInt32LE(value, 4 + i * 4)
  const body = Buffer.concat(rest)
  createHash('sha256').update(body).digest().copy(header, 32)
  return Buffer.concat([header, body])
}

function offsetsOf(parts: readonly Uint8Array[]): Buffer {
  const offsets = Buffer.alloc((parts.length + 1) * 4)
  let at = 0
  for (const [i, { length }] of parts.entries()) {
    offsets.writeUInt32LE(at, i * 4)
    at += length
  }
  offsets.writeUInt32LE(at, parts.length * 4)
  return offsets
}

/** @throws OxbowError `bad_config` for a file of another format, or a damaged one */
export function readClassTable(file: Uint8Array): ClassTable {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const isTable = bytes.length >= headerBytes && bytes.toString('latin1', 0, 4) === magic && bytes.readUInt32LE(4) === version
  if (!isTable || !createHash('sha256').update(bytes.subarray(headerBytes)).digest().equals(bytes.subarray(32, headerBytes))) {
    throw new OxbowError('bad_config', 'The table of word classes is damaged.', { hint: 'Install Oxbow again.' })
  }
  const [nouns, lists, words, memberBytes] = [8, 12, 16, 20].map((at) => bytes.readUInt32LE(at)) as [number, number, number, number]
  const listOffsets = headerBytes + (nouns + 1) * 4
  const wordOffsets = listOffsets + (lists + 1) * 4
  const ofNouns = wordOffsets + (words + 1) * 4
  const members = ofNouns + Math.ceil(nouns / 2) * 4
  const wordText = members + memberBytes
  const nounText = wordText + bytes.readUInt32LE(wordOffsets + words * 4)
  const places = (offsets: number, count: number): Uint32Array =>
    Uint32Array.from({ length: count + 1 }, (_, i) => bytes.readUInt32LE(offsets + i * 4))
  const [nounAt, listAt, wordAt] = [places(headerBytes, nouns), places(listOffsets, lists), places(wordOffsets, words)]
  const wordOf = (i: number): string => bytes.toString('utf8', wordText + (wordAt[i] ?? 0), wordText + (wordAt[i + 1] ?? 0))
  const membersOf = (list: number): readonly string[] => {
    const [from, to] = [listAt[list] ?? 0, listAt[list + 1] ?? 0]
    return Array.from({ length: (to - from) / 2 }, (_, i) => wordOf(bytes.readUInt16LE(members + from + i * 2)))
  }
  const find = (noun: string): readonly string[] => {
    const wanted = Buffer.from(noun)
    let low = 0
    let high = nouns - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const order = bytes.compare(wanted, 0, wanted.length, nounText + (nounAt[middle] ?? 0), nounText + (nounAt[middle + 1] ?? 0))
      if (order === 0) return membersOf(bytes.readUInt16LE(ofNouns + middle * 2))
      if (order < 0) low = middle + 1
      else high = middle - 1
    }
    return []
  }
  const held = new Map<string, readonly string[]>()
  return {
    classesOf(noun) {
      const known = held.get(noun)
      if (known !== undefined) return known
      if (held.size >= maxHeld) held.clear()
      const found = find(noun)
      held.set(noun, found)
      return found
    },
  }
}

/**
 * Text, terms and context of a passage as stored bytes. Terms are nearly the words of the text, so compressing the three together more
 * than halves them.
 */
import { Buffer } from 'node:buffer'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { storeFault } from '../store-fault.ts'

export interface PassageBody {
  readonly text: string
  readonly terms: string
  readonly context: string
}

/** First byte of the stored form. */
const plain = 0
const packed = 1
/** No text, term or context contains it. */
const between = '\u0000'
/** Below this size compression saves nothing. */
const minPackedBytes = 96
/** A small window and little memory: bodies are short, and setting up is most of the cost. */
const packing = { level: 6, memLevel: 5, windowBits: 12, strategy: constants.Z_DEFAULT_STRATEGY }
/** Three texts of the most characters, with three bytes each. */
const maxUnpackedBytes: number = 10 * 1024 * 1024
/** Most bodies fit into one piece; the usual one of 16 KiB for each of forty keeps the garbage collector busy. */
const unpacking = { maxOutputLength: maxUnpackedBytes, chunkSize: 4_096 }

/** First character of terms that are not words of the text but classes of its nouns. */
const classMark = 94

/** Length of a passage in words, as ranking counts it: without class terms, which would make a passage of many nouns rank low. */
export function lengthOfBody({ terms, context }: Pick<PassageBody, 'terms' | 'context'>): number {
  return countTerms(terms) + countTerms(context)
}

function countTerms(terms: string): number {
  let count = 0
  for (let at = terms === '' ? -1 : 0; at >= 0; at = terms.indexOf(' ', at) + 1 || -1) if (terms.charCodeAt(at) !== classMark) count++
  return count
}

/** Packs the texts of a passage into one column, deflated where that is shorter. */
export function packBody({ text, terms, context }: PassageBody): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from([text, terms, context].join(between), 'utf8')
  const small = bytes.length < minPackedBytes ? bytes : deflateRawSync(bytes, packing)
  const form = small.length < bytes.length ? packed : plain
  const kept = new Uint8Array(1 + Math.min(small.length, bytes.length))
  kept[0] = form
  kept.set(form === packed ? small : bytes, 1)
  return kept
}

/** @throws OxbowError `store_corrupt` for bytes that it did not make */
export function unpackBody(kept: Uint8Array): PassageBody {
  const rest = Buffer.from(kept.buffer, kept.byteOffset + 1, Math.max(0, kept.byteLength - 1))
  try {
    const bytes = kept[0] === packed ? inflateRawSync(rest, unpacking) : rest
    const [text, terms, context] = bytes.toString('utf8').split(between)
    if (text !== undefined && terms !== undefined && context !== undefined) return { text, terms, context }
  } catch (error) {
    throw storeFault('store_corrupt', 'The text of a memory cannot be decompressed.', error)
  }
  throw storeFault('store_corrupt', 'The text of a memory is truncated.')
}

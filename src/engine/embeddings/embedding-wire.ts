/** How a protocol asks for vectors and answers with them. Pure: no socket, no clock, no retry. */
import type { EmbedOptions, Usage } from '../../types/index.ts'

/** The vectors of one request, in the order of its texts, or a sentence's end that says what is wrong with the answer. */
export type ReadVectors = { readonly vectors: readonly Float32Array[]; readonly model: string; readonly usage: Usage | null } | string

export interface EmbeddingWire {
  path(model: string): string
  headers(key: string): Readonly<Record<string, string>>
  /** @param plain numbers in place of base64, for a service that does not know it. @returns the body as JSON text */
  write(model: string, texts: readonly string[], options: EmbedOptions, plain: boolean): string
  /** @param count texts that were sent. Nothing about the answer is trusted. */
  read(answer: object, count: number): ReadVectors
}

/** Reads a list of numbers or their base64 (float32, little end first). @returns null when it is neither, or holds no numbers */
export function readVector(value: unknown, maxDimensions: number): Float32Array | null {
  const vector = typeof value === 'string' ? fromBase64(value, maxDimensions) : fromNumbers(value, maxDimensions)
  return vector !== null && vector.length > 0 && vector.every(Number.isFinite) ? vector : null
}

function fromBase64(text: string, maxDimensions: number): Float32Array | null {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length % 4 !== 0 || bytes.length > maxDimensions * 4) return null
  return Float32Array.from({ length: bytes.length / 4 }, (_, place) => bytes.readFloatLE(place * 4))
}

function fromNumbers(value: unknown, maxDimensions: number): Float32Array | null {
  if (!Array.isArray(value) || value.length > maxDimensions) return null
  // A text or null among them would become a number: it becomes none.
  return Float32Array.from(value, (each: unknown) => (typeof each === 'number' ? each : Number.NaN))
}

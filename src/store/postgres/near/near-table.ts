/** The table of an index: its name, and what the database says of it. */
import { createHash } from 'node:crypto'
import type { UserId } from '../../../types/index.ts'

export interface NearRow {
  readonly model: string
  /** As that of the model: the same name with another is another collection of vectors. */
  readonly began: number
  readonly name: string
  /** All vectors of blocks up to this version are in it. */
  readonly version: number
}

const named = /^memory_near_[0-9a-f]{24}$/

/** Names are ours, so that they can stand in a statement. */
export function nearName(user: UserId, model: string): string {
  return `memory_near_${createHash('sha256').update(`${user}\0${model}`).digest('hex').slice(0, 24)}`
}

/** @returns the name; null for one that is none of ours, whoever wrote it there */
export function safeName(name: string): string | null {
  return named.test(name) ? name : null
}

/** A vector in pgvector's words, brought to length 1; null for one that points nowhere. */
export function nearText(vector: Float32Array): string | null {
  const length = Math.hypot(...vector)
  return length > 0 ? `[${Array.from(vector, (value) => (value / length).toFixed(5)).join(',')}]` : null
}

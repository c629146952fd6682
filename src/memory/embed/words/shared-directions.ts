/**
 * Word vectors without what all of them share: the mean, and the directions in which they differ the most, which say how frequent a
 * word is rather than what it means (all-but-the-top, Mu and Viswanath 2018). Found in some six hundred words of the table, so that
 * it takes a few milliseconds.
 */
import { toUnit } from '../unit-vector.ts'
import type { WordTable } from '../word-table.ts'

/** As many as a fourteenth of the dimensions of the built-in table; three to twelve were measured and are alike. */
const directions = 7
const sampledWords = 600
/** Steps towards each direction: what is left of the others is then too small to matter. */
const steps = 20

/** @returns what makes the vector of a word without them, with length 1 */
export function withoutShared(table: WordTable): (place: number) => Float32Array<ArrayBuffer> {
  const { dims } = table
  const step = Math.max(1, Math.floor(table.words / sampledWords))
  const rows = Array.from({ length: Math.ceil(table.words / step) }, (_, i) => vectorOf(table, i * step))
  const mean = new Float32Array(dims)
  for (const row of rows) for (let i = 0; i < dims; i++) mean[i] = at(mean, i) + at(row, i) / Math.max(1, rows.length)
  const matrix = covariance(rows, mean, dims)
  const found: Float32Array[] = []
  for (let n = 0; n < Math.min(directions, dims - 1); n++) found.push(nextDirection(matrix, dims, found))
  return (place) => {
    const vector = vectorOf(table, place)
    for (let i = 0; i < dims; i++) vector[i] = at(vector, i) - at(mean, i)
    for (const direction of found) takeOut(vector, direction)
    return toUnit(vector)
  }
}

const at = (vector: Float32Array, i: number): number => vector[i] as number

function vectorOf(table: WordTable, place: number): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(table.dims)
  table.addTo(vector, place, 1)
  return vector
}

function covariance(rows: readonly Float32Array[], mean: Float32Array, dims: number): Float32Array {
  const matrix = new Float32Array(dims * dims)
  for (const row of rows) {
    for (let i = 0; i < dims; i++) {
      const own = at(row, i) - at(mean, i)
      for (let j = 0; j <= i; j++) matrix[i * dims + j] = at(matrix, i * dims + j) + own * (at(row, j) - at(mean, j))
    }
  }
  for (let i = 0; i < dims; i++) for (let j = 0; j < i; j++) matrix[j * dims + i] = at(matrix, i * dims + j)
  return matrix
}

/** The strongest that is left, by going to it again and again from anywhere. */
function nextDirection(matrix: Float32Array, dims: number, found: readonly Float32Array[]): Float32Array {
  let vector = toUnit(Float32Array.from({ length: dims }, (_, i) => Math.sin(i + found.length + 1)))
  for (let n = 0; n < steps; n++) {
    const next = new Float32Array(dims)
    for (let i = 0; i < dims; i++) for (let j = 0; j < dims; j++) next[i] = at(next, i) + at(matrix, i * dims + j) * at(vector, j)
    for (const other of found) takeOut(next, other)
    vector = toUnit(next)
  }
  return vector
}

function takeOut(vector: Float32Array, direction: Float32Array): void {
  let along = 0
  for (let i = 0; i < vector.length; i++) along += at(vector, i) * at(direction, i)
  for (let i = 0; i < vector.length; i++) vector[i] = at(vector, i) - along * at(direction, i)
}

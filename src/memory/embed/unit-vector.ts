/** Brings a vector to length 1, in place. One of zeros, or with what is no number, becomes zeros: it finds nothing. */
export function toUnit(vector: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  let sum = 0
  for (const value of vector) sum += value * value
  const length = Math.sqrt(sum)
  if (!Number.isFinite(length) || length < 1e-12) return vector.fill(0)
  for (let place = 0; place < vector.length; place += 1) vector[place] = (vector[place] ?? 0) / length
  return vector
}

/** Makes new inputs from known ones, the same for the same seed. */

export interface Chance {
  /** A whole number from 0 up to, without, `end`. */
  below(end: number): number
}

/** xorshift32: small, quick, and the same everywhere. */
export function createChance(seed: number): Chance {
  let state = seed | 0 || 1
  return {
    below(end) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return (state >>> 0) % end
    },
  }
}

/** Numbers at which lengths and kinds go wrong. */
const edges = [0, 1, 4, 5, 9, 63, 64, 127, 128, 255, 511, 512, 65_535, 65_536, 65_545, 0x7fffffff, 0x80000000, 0xffffffff]

const maxInputBytes = 6_000

export function mutate(input: Buffer, other: Buffer, words: readonly Buffer[], chance: Chance): Buffer {
  let out: Buffer = Buffer.from(input)
  for (let steps = 1 + chance.below(4); steps > 0; steps -= 1) out = mutateOnce(out, other, words, chance)
  return out.subarray(0, maxInputBytes)
}

function mutateOnce(input: Buffer, other: Buffer, words: readonly Buffer[], chance: Chance): Buffer {
  const at = chance.below(input.length + 1)
  const length = chance.below(Math.min(64, input.length + 1))
  switch (chance.below(9)) {
    case 0:
      if (at < input.length) input[at]! ^= 1 << chance.below(8)
      return input
    case 1:
      if (at < input.length) input[at] = edges[chance.below(edges.length)]! & 0xff
      return input
    case 2:
      if (at + 4 <= input.length) input.writeUInt32BE(edges[chance.below(edges.length)]!, at)
      return input
    case 3:
      return Buffer.concat([input.subarray(0, at), input.subarray(at + length)])
    case 4:
      return Buffer.concat([input.subarray(0, at), input.subarray(at, at + length), input.subarray(at)])
    case 5:
      return Buffer.concat([input.subarray(0, at), words[chance.below(words.length)]!, input.subarray(at)])
    case 6:
      return Buffer.concat([input.subarray(0, at), other.subarray(chance.below(other.length + 1))])
    case 7:
      return Buffer.concat([input, other])
    default:
      // A length that says what follows: the beginning of a frame.
      if (at + 4 <= input.length) input.writeUInt32BE(input.length - at - 4, at)
      return input
  }
}

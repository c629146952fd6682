/** Byte-pair encoding: neighbours are joined in the order in which the training joined them. */
import type { WordTokens } from './word-tokens.ts'

/** Words longer than this are cut: joining grows with the square of the length. */
const maxCharacters = 256

export function bytePairTokens(ids: ReadonlyMap<string, number>, merges: readonly (readonly [string, string])[]): WordTokens {
  const ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]))
  const joined = (symbols: string[]): string[] => {
    for (;;) {
      let bestRank = Infinity
      let bestAt = -1
      for (let at = 0; at + 1 < symbols.length; at += 1) {
        const rank = ranks.get(`${symbols[at]} ${symbols[at + 1]}`) ?? Infinity
        if (rank < bestRank) {
          bestRank = rank
          bestAt = at
        }
      }
      if (bestAt < 0) return symbols
      symbols.splice(bestAt, 2, `${symbols[bestAt]}${symbols[bestAt + 1]}`)
    }
  }
  return (word) => {
    const characters = Array.from(word)
    const tokens: number[] = []
    for (let at = 0; at < characters.length; at += maxCharacters) {
      for (const symbol of joined(characters.slice(at, at + maxCharacters))) tokens.push(ids.get(symbol) ?? -1)
    }
    return tokens
  }
}

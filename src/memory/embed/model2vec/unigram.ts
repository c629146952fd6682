/** Unigram: the way to cut a word whose pieces are the most likely together (Viterbi). A character that no piece has is unknown. */
import type { WordTokens } from './word-tokens.ts'

/** Below the worst piece by this, as sentencepiece has it. */
const unknownPenalty = 10
/** What is longer is cut into such pieces: the work grows with length × the longest piece. Some models take a whole text as one word, and a passage fits. */
const maxCharacters = 1_024

export function unigramTokens(pieces: readonly (readonly [string, number])[], unknown: number): WordTokens {
  const ids = new Map<string, number>()
  let longest = 1
  let worst = 0
  for (const [id, [piece, score]] of pieces.entries()) {
    if (id === unknown) continue
    ids.set(piece, id)
    longest = Math.max(longest, Array.from(piece).length)
    worst = Math.min(worst, score)
  }
  const reach = Math.min(longest, 64)
  const best = (characters: readonly string[]): number[] => {
    const score = new Float64Array(characters.length + 1).fill(-Infinity)
    const from = new Int32Array(characters.length + 1)
    const token = new Int32Array(characters.length + 1).fill(-1)
    score[0] = 0
    for (let start = 0; start < characters.length; start += 1) {
      const base = score[start] ?? -Infinity
      const step = (end: number, id: number, likely: number): void => {
        if (base + likely <= (score[end] ?? -Infinity)) return
        score[end] = base + likely
        from[end] = start
        token[end] = id
      }
      for (let end = start + 1; end <= Math.min(characters.length, start + reach); end += 1) {
        const id = ids.get(characters.slice(start, end).join(''))
        if (id !== undefined) step(end, id, pieces[id]?.[1] ?? worst)
        else if (end === start + 1) step(end, -1, worst - unknownPenalty)
      }
    }
    const tokens: number[] = []
    for (let end = characters.length; end > 0; end = from[end] ?? 0) tokens.push(token[end] ?? -1)
    return tokens.reverse()
  }
  return (word) => {
    const characters = Array.from(word)
    const tokens: number[] = []
    for (let at = 0; at < characters.length; at += maxCharacters) tokens.push(...best(characters.slice(at, at + maxCharacters)))
    return tokens
  }
}

/** Ids of the tokens of one word, unknown ones as -1. */
export type WordTokens = (word: string) => readonly number[]

/** WordPiece: the longest known beginning, again and again. A word that does not come out even is unknown as a whole. */

export function wordPieceTokens(ids: ReadonlyMap<string, number>, prefix: string, maxCharacters: number): WordTokens {
  return (word) => {
    const characters = Array.from(word)
    if (characters.length > maxCharacters) return [-1]
    const found: number[] = []
    let from = 0
    while (from < characters.length) {
      let to = characters.length
      let id: number | undefined
      for (; to > from; to -= 1) {
        id = ids.get(`${from === 0 ? '' : prefix}${characters.slice(from, to).join('')}`)
        if (id !== undefined) break
      }
      if (id === undefined) return [-1]
      found.push(id)
      from = to
    }
    return found
  }
}

/** Unigram: the way to cut a word whose pieces are the most likely together (Viterbi). A character that no piece has is unknown. */

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

/** Byte-pair encoding: neighbours are joined in the order in which the training joined them. */

/** Words longer than this are cut: joining grows with the square of the length. */
const maxJoined = 256

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
    for (let at = 0; at < characters.length; at += maxJoined) {
      for (const symbol of joined(characters.slice(at, at + maxJoined))) tokens.push(ids.get(symbol) ?? -1)
    }
    return tokens
  }
}

/** WordPiece: the longest known beginning, again and again. A word that does not come out even is unknown as a whole. */
import type { WordTokens } from './word-tokens.ts'

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

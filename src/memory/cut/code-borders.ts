/** Where code may be cut: between lines, rather behind an empty one, best before what begins at the margin behind an empty line. */
import { type Border, strength } from './sentence-borders.ts'

/** Ends of blocks stand at the margin too, but belong to what is above. */
const opensBlock = /^[^\s})\]]/

/** Borders inside `[from, to)`, in order, `from` itself not among them. */
export function codeBorders(text: string, from: number, to: number): Border[] {
  const borders: Border[] = []
  let afterEmpty = false
  let at = from
  while (at < to) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 || newline >= to ? to : newline + 1
    const isEmpty = end - at < 200 && text.slice(at, end).trim() === ''
    if (at > from && !isEmpty) {
      const opens = opensBlock.test(text.slice(at, at + 1))
      borders.push({ at, strength: afterEmpty ? (opens ? strength.block : strength.paragraph) : strength.line })
    }
    afterEmpty = isEmpty
    at = end
  }
  return borders
}

/** What stands across the border of two sections of a document is in neither: both are said to say it. */
import type { MemoryItem, PhraseMatch } from '../../store/index.ts'
import { borderCharacters } from '../keep/keep-limits.ts'

interface Section {
  readonly item: MemoryItem
  readonly head: string
  readonly tail: string
}

/**
 * Takes entries with their texts, one by one as a list has them: the sections of a document one after another, in no order of their places.
 * Those of one document are held until the next one comes. @returns both neighbours of each border that says it
 */
export function sectionBorders({ inText }: Pick<PhraseMatch, 'inText'>): (item: MemoryItem, text: string) => readonly MemoryItem[] {
  const held = new Map<number, Section>()
  let document = ''
  const across = ({ tail }: Section, { head }: Section): boolean =>
    (inText(`${tail} ${head}`) || inText(tail + head)) && !inText(tail) && !inText(head)
  return (item, text) => {
    const { kind, stream, place } = item.entry
    if (kind !== 'document') return []
    if (stream !== document) held.clear()
    document = stream
    const section = { item, head: text.slice(0, borderCharacters), tail: text.slice(-borderCharacters) }
    held.set(place, section)
    const [before, after] = [held.get(place - 1), held.get(place + 1)]
    return [
      ...(before !== undefined && across(before, section) ? [before.item, item] : []),
      ...(after !== undefined && across(section, after) ? [item, after.item] : []),
    ]
  }
}

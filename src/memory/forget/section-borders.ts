/** What stands across borders of the sections of a document is in none of them: all that it reaches into are said to say it. */
import { foldPhrase, type MemoryItem, type PhraseMatch } from '../../store/index.ts'

export interface SectionBorders {
  /**
   * Takes entries with their texts as a list has them: the sections of a document one after another, in no order of their places.
   * @returns sections of the document before that say it across a border, once another one begins
   */
  take(item: MemoryItem, text: string): readonly MemoryItem[]
  /** @returns those of the last document */
  end(): readonly MemoryItem[]
}

interface Section {
  readonly item: MemoryItem
  /** Folded; of a long one what a phrase can reach into from outside. */
  readonly text: string
}

/** Stands in no phrase. */
const gap = '\u0000'

export function sectionBorders({ phrases }: Pick<PhraseMatch, 'phrases'>): SectionBorders {
  const longest = Math.max(0, ...phrases.map(({ length }) => length))
  let held: Section[] = []
  const end = (): readonly MemoryItem[] => {
    const sections = held.toSorted((a, b) => a.item.entry.place - b.item.entry.place)
    held = []
    // Whether there was white space at a border is not kept.
    return ['', ' '].flatMap((between) => acrossBorders(sections, phrases, between))
  }
  return {
    take(item, text) {
      const { kind, stream } = item.entry
      if (kind !== 'document' || longest === 0) return []
      const before = held.length > 0 && held[0]?.item.entry.stream !== stream ? end() : []
      const folded = foldPhrase(text)
      const isLong = folded.length > 2 * longest
      held.push({ item, text: isLong ? folded.slice(0, longest) + gap + folded.slice(-longest) : folded })
      return before
    },
    end,
  }
}

function acrossBorders(sections: readonly Section[], phrases: readonly string[], between: string): readonly MemoryItem[] {
  let whole = ''
  /** Where each begins. */
  const starts: number[] = []
  for (const [at, { item, text }] of sections.entries()) {
    if (at > 0) whole += sections[at - 1]!.item.entry.place === item.entry.place - 1 ? between : gap
    starts.push(whole.length)
    whole += text
  }
  const there = phrases.filter((phrase) => whole.includes(phrase))
  return sections.flatMap(({ item }, at) => {
    const before = sections[at - 1]
    const start = starts[at]!
    const isAcross = (phrase: string): boolean => {
      const from = Math.max(0, start + 1 - phrase.length)
      return whole.slice(from, start - between.length - 1 + phrase.length).includes(phrase)
    }
    return before !== undefined && there.some(isAcross) ? [before.item, item] : []
  })
}

/** Where sentences of prose begin. */
import { sentences } from '../text/segmenters.ts'

/** How much a place asks to be cut at: the strongest in reach wins, and among equals the last. */
export const strength = { sentence: 1, line: 2, paragraph: 3, block: 4, section: 5 } as const

/** A place between two characters at which a text may be cut. */
export interface Border {
  readonly at: number
  readonly strength: number
}

/** A dot behind these ends no sentence. ICU knows only those before a small letter. */
const abbreviation =
  /(?:^|[\s(["'„“«])(?:mr|mrs|ms|dr|prof|st|sr|jr|gen|col|capt|lt|sgt|rev|hon|mt|no|nos|fig|figs|vol|ch|sec|art|pp?|cf|vs|etc|approx|dept|est|inc|ltd|co|corp|al|ed|eds|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|e\.g|i\.e|z\.b|d\.h|u\.a|bzw|ca|nr|str|hr|fr|p\.ej|sra?|mme|mlle|m|[a-z]|(?:[a-z]\.)+[a-z])\.\s+$/i
/** A number and a dot: `3. ` of a list, `am 3. Mai`. */
const ordinal = /(?:^|\s)\d{1,3}\.\s+$/
/** As much of a sentence's end as an abbreviation may take. */
const tail = 16

/** Borders inside `[from, to)` of a text, in order, `from` itself not among them. One stands behind each line too. */
export function sentenceBorders(text: string, from: number, to: number): Border[] {
  const borders: Border[] = []
  const part = from === 0 && to === text.length ? text : text.slice(from, to)
  for (const { index } of sentences.segment(part)) {
    if (index === 0) continue
    const before = part.slice(Math.max(0, index - tail), index)
    const ofLine = before.endsWith('\n') || before.endsWith('\r')
    if (!ofLine && (abbreviation.test(before) || ordinal.test(before))) continue
    borders.push({ at: from + index, strength: strength.sentence })
  }
  return borders
}

const emptyLines = /\n[^\S\n]*\n(?:[^\S\n]*\n)*/g

/** Borders of plain text: sentences, and paragraphs behind empty lines. */
export function textBorders(text: string): Border[] {
  const paragraphs = new Set<number>()
  for (const match of text.matchAll(emptyLines)) paragraphs.add(match.index + match[0].length)
  const borders = sentenceBorders(text, 0, text.length).filter(({ at }) => !paragraphs.has(at))
  for (const at of paragraphs) if (at < text.length) borders.push({ at, strength: strength.paragraph })
  return borders.sort((one, other) => one.at - other.at)
}

/** Takes what was forgotten out of a summary. What cannot be told apart goes too: forgetting errs towards less. */
import { foldPhrase, matchPhrases } from '../../store/index.ts'
import type { GoneFact } from '../forget/gone-fact.ts'
import type { Range } from './manifest.ts'
import { sentencesOf } from './sentences.ts'
import type { Summary } from './summary.ts'

/** @returns the same object when nothing of it was in the summary; else a summary of the same epoch without it. */
export function forgetInSummary(summary: Summary, { seqs, texts }: Pick<GoneFact, 'seqs' | 'texts'>): Summary {
  const known = texts.map(wordsOf).filter((words) => words.size > 0)
  // Scripts without spaces have a sentence for a word: there the phrase itself is looked for.
  const exact = matchPhrases(texts.map(foldPhrase).filter((phrase) => phrase !== ''))
  return withoutTold(summary, new Set(seqs), (text) => exact.inText(text) || known.some((words) => sharesMost(wordsOf(text), words)))
}

function withoutTold(summary: Summary, seqs: ReadonlySet<number>, tells: (text: string) => boolean): Summary {
  const lines = summary.text.split('\n').flatMap((text) => {
    const [mark = '', seq] = /^\[#(\d+)\] /u.exec(text) ?? []
    if (seqs.has(Number(seq ?? 0))) return []
    if (!tells(text.slice(mark.length)) && !sentencesOf(text).some(tells)) return [text]
    const sentences = sentencesOf(text.slice(mark.length))
    const left = sentences.filter((sentence) => !tells(sentence))
    // What no sentence tells alone stands across two of them.
    return left.length === 0 || left.length === sentences.length ? [] : [mark + left.join(' ')]
  })
  const pins = summary.pins.filter(({ seq, text }) => !seqs.has(seq) && !tells(text))
  const ranges = summary.ranges.map((range): Range =>
    tells(range.about) || range.about.split('; ').some(tells) ? { ...range, about: '' } : range,
  )
  const text = lines.join('\n')
  const same = text === summary.text && pins.length === summary.pins.length && ranges.every((range, i) => range === summary.ranges[i])
  return same ? summary : { ...summary, text, pins, ranges }
}

/** A sentence tells what was forgotten when most of its words, or most of those of the forgotten text, are the other's. */
export function sharesMost(said: ReadonlySet<string>, forgotten: ReadonlySet<string>): boolean {
  const shared = [...said].filter((word) => forgotten.has(word)).length
  return shared > 0 && shared >= 0.6 * Math.min(said.size, forgotten.size)
}

/** Words of three letters or more, but for those that stand everywhere. */
export function wordsOf(text: string): ReadonlySet<string> {
  const folded = foldPhrase(text)
  const words = folded.match(/[\p{L}\d]{3,}/gu) ?? folded.match(/[\p{L}\d]+/gu) ?? []
  return new Set(words.filter((word) => !common.has(word)))
}

const common: ReadonlySet<string> = new Set(
  'the and for that this with you your are was were has have had not but will can our its his her they them from what when who which about into would there their been'.split(
    ' ',
  ),
)

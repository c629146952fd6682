/** A summary without a model: the sentences that weigh most, word for word, each with the record it stands in. */
import { type Sentence, sentencesOf, weightOf } from './sentences.ts'
import type { Said } from './summary.ts'

const line = /^\[#(\d+)\] (.*)$/su
/** What was in a summary before weighs less each time, so that it makes room for what is new unless it matters. */
const fading = 0.9
/** How much more the newest sentence weighs than the oldest. */
const recency = 0.5

/**
 * @param before text of the summary before, by whomever it was made
 * @returns at most `maxChars`, in the order in which it was said
 */
export function extractSummary(before: string, said: readonly Said[], maxChars: number): string {
  const candidates = distinct([...sentencesBefore(before), ...sentencesSaid(said)])
  const chosen = new Set<Sentence>()
  let chars = 0
  for (const sentence of candidates.toSorted((a, b) => b.weight - a.weight)) {
    const length = lineOf(sentence).length + 1
    if (chars + length > maxChars) continue
    chars += length
    chosen.add(sentence)
  }
  return candidates
    .filter((sentence) => chosen.has(sentence))
    .map(lineOf)
    .join('\n')
}

function lineOf({ seq, text }: Sentence): string {
  return seq === 0 ? text : `[#${seq}] ${text}`
}

function sentencesBefore(before: string): readonly Sentence[] {
  return before.split('\n').flatMap((text) => {
    const [, seq, words] = line.exec(text) ?? []
    const sentences = words === undefined ? sentencesOf(text) : [words]
    return sentences.map((each) => ({ seq: Number(seq ?? 0), text: each, weight: (weightOf(each) + 1) * fading }))
  })
}

/** What tools brought in is long and can be asked for again: only what people and the agent said is taken. */
function sentencesSaid(said: readonly Said[]): readonly Sentence[] {
  const words = said.filter(({ who }) => who !== 'tool')
  return words.flatMap(({ seq, who, text }, i) =>
    sentencesOf(text).map((each) => ({
      seq,
      text: each,
      weight: weightOf(each) + (who === 'person' ? 0.5 : 0) + (recency * i) / words.length,
    })),
  )
}

function distinct(sentences: readonly Sentence[]): readonly Sentence[] {
  const seen = new Set<string>()
  return sentences.filter(({ text }) => {
    const key = text.toLowerCase()
    return !seen.has(key) && seen.add(key)
  })
}

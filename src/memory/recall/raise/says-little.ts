/**
 * Turns that answer nothing, whatever is asked: those that only ask, and those that only react. A question repeats the words of what
 * it asks for, and `Wow, pottery!` those of what was told, so both are near by their words. Only turns are looked at: a short note was
 * written down because it says something.
 */
import { isStopWord } from '../../text/stop-words.ts'
import type { Candidate } from '../candidate.ts'
import { askingCost, reactionCost, tellingWords } from '../recall-limits.ts'

/** Runs to the sign that ends a sentence; each character is read once. */
const sentence = /[^.!?？؟。！…]+[.!?？؟。！…]*/gu
const asks = /[?？؟]["'”’)*_]*\s*$/u

/** Takes from each at most `askingCost + reactionCost`; none falls below 0. */
export function lowerSayingLittle(list: readonly Candidate[]): Candidate[] {
  return list.map((candidate) => {
    const { entry, text, terms } = candidate.passage
    const cost = entry.kind === 'message' ? askingCost * askingShare(text) + reactionCost * (1 - tellingShare(terms)) : 0
    return cost === 0 ? candidate : { ...candidate, score: Math.max(0, candidate.score - cost) }
  })
}

/** Of its characters, those of sentences that ask. */
function askingShare(text: string): number {
  if (!/[?？؟]/u.test(text)) return 0
  let all = 0
  let asking = 0
  for (const [each] of text.matchAll(sentence)) {
    all += each.length
    if (asks.test(each)) asking += each.length
  }
  return all === 0 ? 0 : asking / all
}

/** How many words it has that say something, of those that are enough. */
function tellingShare(terms: string): number {
  const distinct = new Set<string>()
  for (const term of terms.split(' ')) {
    if (term !== '' && !isStopWord(term)) distinct.add(term)
    if (distinct.size >= tellingWords) return 1
  }
  return distinct.size / tellingWords
}

/** What a question says of the turn that answers it, beside its words: who speaks there, and whether it names a day. */
import type { Candidate } from '../candidate.ts'
import { dayBonus, speakerBonus } from '../recall-limits.ts'

/** A turn of a transcript says who speaks: `Ada:`, `Mrs. Tran:`. */
const speaker = /^(\p{Lu}[\p{L}\p{M}'’.-]{1,30}(?: \p{Lu}[\p{L}\p{M}'’.-]{0,30}){0,2}): /u
const asksWhen = /\b(?:when|what day|which day|what date|what month|which month|what year|which year)\b/i
const dayTerm = /^[dmy]\d{4,8}$/
/** Of the day on which it was said: every turn has these. */
const ownDayTerms = 3

/** Raises turns of those whom the question names, and, where it asks when, turns that name a day. */
export function raiseAskedAbout(list: readonly Candidate[], question: string): Candidate[] {
  const asked = ` ${question.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ')} `
  const when = asksWhen.test(question)
  return list.map((candidate) => {
    const { text, context } = candidate.passage
    const bonus = (isNamed(text, asked) ? speakerBonus : 0) + (when && namesDay(context) ? dayBonus : 0)
    return bonus === 0 ? candidate : { ...candidate, score: candidate.score + bonus }
  })
}

/** By the whole name or by the first. */
function isNamed(text: string, asked: string): boolean {
  const name = speaker.exec(text)?.[1]
  if (name === undefined) return false
  const plain = name.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
  return asked.includes(` ${plain} `) || asked.includes(` ${plain.split(' ')[0]} `)
}

function namesDay(context: string): boolean {
  return context.split(' ').filter((term) => dayTerm.test(term)).length > ownDayTerms
}

/** Dates as people say them in a talk, and as a question asks for them. */
import type { Chance } from './seeded-chance.ts'

export const dayMs = 86_400_000

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

export interface SpokenDate {
  readonly at: number
  readonly text: string
}

/** @returns a date before `now` as somebody says it at `now`. */
export function spokenDate(chance: Chance, now: number): SpokenDate {
  const kind = chance.below(7)
  if (kind === 0) return { at: now - dayMs, text: 'yesterday' }
  if (kind === 1) return { at: now - 2 * dayMs, text: 'the day before yesterday' }
  if (kind === 2) {
    const weeks = 1 + chance.below(3)
    return { at: now - weeks * 7 * dayMs, text: weeks === 1 ? 'a week ago' : `${['two', 'three'][weeks - 2]} weeks ago` }
  }
  if (kind <= 4) {
    const days = 2 + chance.below(6)
    const at = now - days * dayMs
    return { at, text: `last ${weekdays[new Date(at).getUTCDay()]}` }
  }
  const at = now - (3 + chance.below(25)) * dayMs
  if (kind === 5) return { at, text: `on the ${ordinal(new Date(at).getUTCDate())}` }
  return { at, text: `on ${months[new Date(at).getUTCMonth()]} ${new Date(at).getUTCDate()}` }
}

/** As a question names a day: with its month and year, which the turn need not have said. */
export function askedDate(chance: Chance, at: number): string {
  const date = new Date(at)
  const month = months[date.getUTCMonth()]
  return chance.happens(0.5)
    ? `${date.getUTCDate()} ${month} ${date.getUTCFullYear()}`
    : `${month} ${date.getUTCDate()}, ${date.getUTCFullYear()}`
}

function ordinal(day: number): string {
  const ending = day % 10 === 1 && day !== 11 ? 'st' : day % 10 === 2 && day !== 12 ? 'nd' : day % 10 === 3 && day !== 13 ? 'rd' : 'th'
  return `${day}${ending}`
}

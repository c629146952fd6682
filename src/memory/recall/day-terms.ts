/**
 * Days as terms, so that "last Friday" in a turn of 20 May is found by a question about 19 May, about May, or about that year: a
 * day is `d20230519`, its month `m202305`, its year `y2023`. English words and ISO or dotted dates are read; a date without a
 * year is the last one before the turn. Days are in UTC.
 */
import { ownValue } from '../../base/index.ts'

const dayMs = 86_400_000
/** Dates stand at the beginning of a turn or nowhere; a pasted log has too many to be about any. */
const readUnits = 4_096
const maxDates = 8

const months = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
] as const
const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const
const numbers: Readonly<Record<string, number>> = {
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  couple: 2,
  few: 3,
}

const month =
  '(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)'
const patterns = {
  iso: /\b(\d{4})-(\d{2})(?:-(\d{2}))?\b/g,
  dotted: /\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b/g,
  dayMonth: new RegExp(`\\b(\\d{1,2})(?:st|nd|rd|th)?(?: of)? ${month}\\b(?:,? (\\d{4}))?`, 'g'),
  monthDay: new RegExp(`\\b${month} (\\d{1,2})(?:st|nd|rd|th)?\\b(?:,? (\\d{4}))?`, 'g'),
  monthYear: new RegExp(`\\b${month},? (?:of )?(\\d{4})\\b`, 'g'),
  inMonth: new RegExp(`\\b(?:in|since|until|during|last|early|late) ${month}\\b(?!,? \\d)`, 'g'),
  inYear: /\b(?:in|since|of|during|until) (\d{4})\b/g,
  onThe: new RegExp(`\\bon the (\\d{1,2})(?:st|nd|rd|th)\\b(?! (?:of )?${month})`, 'g'),
  ago: /\b(an?|one|two|three|four|five|six|seven|eight|nine|ten|couple|few|\d{1,3})(?: of)? (day|week|month|year)s? ago\b/g,
  weekday: /\b(last|next|this|on) (sunday|monday|tuesday|wednesday|thursday|friday|saturday)\b/g,
  near: /\b(day before yesterday|day after tomorrow|yesterday|today|tonight|tomorrow|last night|last week|next week|last month|next month|this month|last year|next year|this year)\b/g,
} as const

/** @returns distinct terms of the dates that `text` names when it is said at `at`. Never throws. */
export function dayTerms(text: string, at: number): string[] {
  const read = text.slice(0, readUnits).toLowerCase()
  const terms = new Set<string>()
  const dates = /\d|day|week|month|year|morrow|night|in |since|last|early|late/.test(read) ? datesIn(read, at) : []
  for (const date of dates.slice(0, maxDates)) for (const term of date) terms.add(term)
  return [...terms]
}

/** Of a question: without the year where a day or a month is known, which nearly every turn of that year has. */
export function askedDays(question: string, now: number): string[] {
  const terms = dayTerms(question, now)
  return terms.some((term) => !term.startsWith('y')) ? terms.filter((term) => !term.startsWith('y')) : terms
}

/** The terms of the day itself, from the closest. */
export function termsOfDay(at: number): string[] {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return []
  const [year, monthOf, day] = [date.getUTCFullYear(), two(date.getUTCMonth() + 1), two(date.getUTCDate())]
  return [`d${year}${monthOf}${day}`, `m${year}${monthOf}`, `y${year}`]
}

function datesIn(text: string, at: number): string[][] {
  const all = (pattern: RegExp): RegExpMatchArray[] => [...text.matchAll(pattern)]
  return [
    ...all(patterns.iso).map(([, year, monthOf, day]) =>
      day === undefined ? termsOfMonth(number(year), number(monthOf) - 1) : exactDay(number(year), number(monthOf) - 1, number(day)),
    ),
    ...all(patterns.dotted).map(([, day, monthOf, year]) => exactDay(number(year), number(monthOf) - 1, number(day))),
    ...all(patterns.dayMonth).map(([, day, name, year]) => dayOf(at, monthIndex(name), number(day), year)),
    ...all(patterns.monthDay).map(([, name, day, year]) => dayOf(at, monthIndex(name), number(day), year)),
    ...all(patterns.monthYear).map(([, name, year]) => termsOfMonth(number(year), monthIndex(name))),
    ...all(patterns.inMonth).map(([, name]) => termsOfMonth(yearOfLast(at, monthIndex(name), 1), monthIndex(name))),
    ...all(patterns.inYear).map(([, year]) => [`y${year}`]),
    ...all(patterns.onThe).map(([, day]) => lastDayNumber(at, number(day))),
    ...all(patterns.ago).map(([, count, unit]) => before(at, ownValue(numbers, count ?? '') ?? number(count), unit ?? '')),
    ...all(patterns.weekday).map(([, which, name]) => nearWeekday(at, which ?? '', weekdays.indexOf(name as (typeof weekdays)[number]))),
    ...all(patterns.near).map(([, words]) => nearDay(at, words ?? '')),
  ]
}

const number = (text: string | undefined): number => Number(text ?? Number.NaN)
const two = (value: number): string => String(value).padStart(2, '0')
const monthIndex = (name: string | undefined): number => months.findIndex((each) => each.startsWith((name ?? '?').slice(0, 3)))

function exactDay(year: number, monthOf: number, day: number): string[] {
  const date = new Date(Date.UTC(year, monthOf, day))
  // 31 February is no day.
  return date.getUTCMonth() === monthOf ? termsOfDay(date.getTime()) : []
}

function dayOf(at: number, monthOf: number, day: number, year: string | undefined): string[] {
  return exactDay(year === undefined ? yearOfLast(at, monthOf, day) : number(year), monthOf, day)
}

function yearOfLast(at: number, monthOf: number, day: number): number {
  const year = new Date(at).getUTCFullYear()
  return Date.UTC(year, monthOf, day) <= at + dayMs ? year : year - 1
}

function termsOfMonth(year: number, monthOf: number): string[] {
  return monthOf < 0 || monthOf > 11 || Number.isNaN(year) ? [] : [`m${year}${two(monthOf + 1)}`, `y${year}`]
}

function lastDayNumber(at: number, day: number): string[] {
  for (let back = 0; back < 62; back++) if (new Date(at - back * dayMs).getUTCDate() === day) return termsOfDay(at - back * dayMs)
  return []
}

function before(at: number, count: number, unit: string): string[] {
  if (unit === 'day') return termsOfDay(at - count * dayMs)
  if (unit === 'week') return termsOfDay(at - count * 7 * dayMs)
  return shifted(at, unit === 'month' ? -count : -count * 12, unit)
}

function shifted(at: number, byMonths: number, unit: string): string[] {
  const date = new Date(at)
  const total = date.getUTCFullYear() * 12 + date.getUTCMonth() + byMonths
  return unit === 'year' ? [`y${Math.floor(total / 12)}`] : termsOfMonth(Math.floor(total / 12), total % 12)
}

function nearWeekday(at: number, which: string, weekday: number): string[] {
  const today = new Date(at).getUTCDay()
  const ahead = (weekday - today + 7) % 7
  // `on Friday` is mostly one that was.
  return termsOfDay(
    which === 'next' || which === 'this' ? at + (ahead === 0 && which === 'next' ? 7 : ahead) * dayMs : at - (7 - ahead) * dayMs,
  )
}

function nearDay(at: number, words: string): string[] {
  const days: Readonly<Record<string, number>> = {
    'day before yesterday': -2,
    'day after tomorrow': 2,
    yesterday: -1,
    'last night': -1,
    today: 0,
    tonight: 0,
    tomorrow: 1,
  }
  const day = ownValue(days, words)
  if (day !== undefined) return termsOfDay(at + day * dayMs)
  const step = words.startsWith('last') ? -1 : words.startsWith('next') ? 1 : 0
  if (words.endsWith('week'))
    return [0, 1, 2, 3, 4, 5, 6].flatMap((each) => termsOfDay(mondayOf(at) + (step * 7 + each) * dayMs).slice(0, 1))
  return words.endsWith('month') ? shifted(at, step, 'month') : shifted(at, step * 12, 'year')
}

function mondayOf(at: number): number {
  return at - ((new Date(at).getUTCDay() + 6) % 7) * dayMs
}

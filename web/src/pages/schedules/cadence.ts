/** When a schedule runs, as a form asks it and as people say it. */
import type { InputOf } from '../../../../src/client/browser-client.ts'

export type Cadence = InputOf<'schedule.create'>['cadence']

export type Rhythm = 'daily' | 'weekdays' | 'interval' | 'once' | 'cron'

/** What a person has typed; only the fields of the rhythm count. */
export interface CadenceAnswer {
  readonly rhythm: Rhythm
  /** `07:30` */
  readonly time: string
  readonly count: string
  readonly unit: 'minutes' | 'hours' | 'days'
  /** As `<input type=datetime-local>` has it. */
  readonly at: string
  readonly expression: string
  readonly timeZone: string
}

const hereZone: string = Intl.DateTimeFormat().resolvedOptions().timeZone

export const freshAnswer: CadenceAnswer = {
  rhythm: 'daily',
  time: '08:00',
  count: '1',
  unit: 'hours',
  at: '',
  expression: '0 8 * * 1-5',
  timeZone: hereZone,
}

const secondsOf = { minutes: 60, hours: 3_600, days: 86_400 } as const

/** @returns null for an incomplete answer */
export function cadenceOf(answer: CadenceAnswer): Cadence | null {
  const { rhythm, time, count, unit, at, expression, timeZone } = answer
  const [hour, minute] = /^(\d{1,2}):(\d{2})/.exec(time)?.slice(1).map(Number) ?? []
  if (rhythm === 'daily' || rhythm === 'weekdays') {
    if (hour === undefined || minute === undefined) return null
    return { type: 'cron', expression: `${minute} ${hour} * * ${rhythm === 'daily' ? '*' : '1-5'}`, time_zone: timeZone }
  }
  if (rhythm === 'interval') {
    const number = Number(count)
    return Number.isInteger(number) && number > 0 ? { type: 'interval', every_s: number * secondsOf[unit] } : null
  }
  if (rhythm === 'once') {
    const when = new Date(at)
    return Number.isNaN(when.getTime()) ? null : { type: 'once', at: when.toISOString() }
  }
  return expression.trim() === '' ? null : { type: 'cron', expression: expression.trim(), time_zone: timeZone }
}

export function answerOf(cadence: Cadence): CadenceAnswer {
  if (cadence.type === 'once') return { ...freshAnswer, rhythm: 'once', at: localTime(new Date(cadence.at)) }
  if (cadence.type === 'interval') {
    const unit = cadence.every_s % 86_400 === 0 ? 'days' : cadence.every_s % 3_600 === 0 ? 'hours' : 'minutes'
    return { ...freshAnswer, rhythm: 'interval', unit, count: String(Math.max(1, Math.round(cadence.every_s / secondsOf[unit]))) }
  }
  const { expression, time_zone: timeZone = hereZone } = cadence
  const [, minute = '', hour = '', days = ''] = /^(\d+) (\d+) \* \* (\*|1-5)$/.exec(expression) ?? []
  const rhythm = days === '' ? 'cron' : days === '*' ? 'daily' : 'weekdays'
  const time = days === '' ? freshAnswer.time : `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`
  return { ...freshAnswer, rhythm, expression, timeZone, time }
}

function localTime(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 16)
}

export function cadenceText(cadence: Cadence): string {
  const { rhythm, count, unit, time, timeZone, expression } = answerOf(cadence)
  const zone = timeZone === hereZone ? '' : ` (${timeZone})`
  if (rhythm === 'once')
    return `once, ${new Date((cadence as { at: string }).at).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })}`
  if (rhythm === 'interval') return count === '1' ? `every ${unit.slice(0, -1)}` : `every ${count} ${unit}`
  if (rhythm === 'daily') return `every day at ${time}${zone}`
  return rhythm === 'weekdays' ? `Monday to Friday at ${time}${zone}` : `${expression}${zone}`
}

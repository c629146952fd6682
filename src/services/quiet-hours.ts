/** Quiet hours: a part of each day, by the clock of a time zone. Changes of the clock and of the zone count from when they are. */
import { z } from 'zod'
import { nextDue } from '../runs/index.ts'

const time = z.string().regex(/^(?:[01]\d|2[0-3]):[0-5]\d$/, 'must be a time such as 22:00')

export const quietHours = z
  .strictObject({
    from: time,
    to: time,
    time_zone: z.string().max(64).default('').describe('IANA name, e.g. Europe/Berlin; empty: this machine’s.'),
  })
  .refine(({ from, to }) => from !== to, 'from and to are the same time')

export type QuietHours = z.infer<typeof quietHours>

const minutesOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3))

/** @returns the day and the minute of it on the clocks of a zone @throws RangeError for a zone that does not exist */
export function localTime(at: number, zone: string): { readonly day: string; readonly minute: number } {
  const options = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  const parts = new Intl.DateTimeFormat('en-CA', { ...options, ...(zone !== '' && { timeZone: zone }) }).formatToParts(at)
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '00'
  return { day: `${of('year')}-${of('month')}-${of('day')}`, minute: minutesOf(`${of('hour')}:${of('minute')}`) }
}

/** Whether a time is in the quiet hours: from `from` on, and before `to`, over midnight if need be. */
export function isQuiet(at: number, { from, to, time_zone: zone }: QuietHours): boolean {
  const { minute } = localTime(at, zone)
  const [begin, end] = [minutesOf(from), minutesOf(to)]
  return begin < end ? minute >= begin && minute < end : minute >= begin || minute < end
}

/** @returns when the quiet hours in which a time is are over; null: it is in none @throws OxbowError `bad_input` for a zone that does not exist */
export async function quietUntil(at: number, quiet: QuietHours): Promise<number | null> {
  // Where the clock is set over the end of the hours, it comes behind the gap.
  const [hour, minute] = quiet.to.split(':').map(Number)
  const end = await nextDue({ type: 'cron', expression: `${minute} ${hour} * * *`, time_zone: quiet.time_zone }, at, at)
  return isQuiet(at, quiet) ? end : null
}

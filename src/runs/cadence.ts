/**
 * When a schedule is due: once, at an interval, or by a cron expression of five or six fields in a time zone. Times that a change of the
 * clock skips are due right behind the gap, and those that it repeats are due once (croner).
 */
import { z } from 'zod'
import { OxbowError, once } from '../base/index.ts'

/** Due times whose distance is checked when a cron expression is taken in. */
const maxCadenceChecks = 200

/** Characters of a cron expression. */
const maxCronLength = 200

export type Cadence =
  | { readonly type: 'once'; readonly at: string }
  | { readonly type: 'interval'; readonly every_s: number }
  | { readonly type: 'cron'; readonly expression: string; readonly time_zone: string }

export const cadence = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('once'),
      at: z.iso.datetime({ offset: true }).describe('Time with its offset, e.g. 2027-01-31T09:00:00+01:00.'),
    }),
    z.strictObject({
      type: z.literal('interval'),
      every_s: z
        .int()
        .min(1)
        .max(366 * 24 * 3_600)
        .describe('Seconds from one run to the next.'),
    }),
    z.strictObject({
      type: z.literal('cron'),
      expression: z.string().min(1).max(maxCronLength).describe('Minute, hour, day, month, weekday; with six fields, seconds first.'),
      time_zone: z.string().max(64).default('').describe('IANA name, e.g. Europe/Berlin; empty: this machine’s.'),
    }),
  ])
  .describe('When it runs.')

/** Loaded with the first cron expression. */
const loadCroner = once(async () => (await import('croner')).Cron)

/**
 * @param after unix milliseconds, exclusive
 * @param from where intervals are counted from, so that they do not drift
 * @returns the first due time, or null when no more follow
 * @throws OxbowError `bad_input` for an expression or a zone that does not exist
 */
export async function nextDue(when: Cadence, after: number, from: number): Promise<number | null> {
  if (when.type === 'once') {
    const at = Date.parse(when.at)
    return at > after ? at : null
  }
  if (when.type === 'interval') {
    const every = when.every_s * 1_000
    return from + (Math.floor(Math.max(0, after - from) / every) + 1) * every
  }
  const Cron = await loadCroner()
  try {
    const cron = new Cron(when.expression, { paused: true, mode: 'auto', ...(when.time_zone !== '' && { timezone: when.time_zone }) })
    return cron.nextRun(new Date(after))?.getTime() ?? null
  } catch (cause) {
    const said = cause instanceof Error ? cause.message.split('\n', 1)[0]! : String(cause)
    const isZone = /timezone/i.test(said)
    const isCount = /configuration format/.test(said)
    const message = isCount ? 'it does not have five or six parts' : said.replace(/^CronPattern: /, '').replace(/\.$/, '')
    throw new OxbowError(
      'bad_input',
      isZone
        ? `There is no time zone ${JSON.stringify(when.time_zone)}.`
        : `The cron expression ${JSON.stringify(when.expression)} is not valid: ${message}.`,
      {
        hint: isZone
          ? 'Use an IANA name such as Europe/Berlin or UTC.'
          : 'Give minute, hour, day, month and weekday, such as `0 9 * * 1-5` for 9 o’clock on weekdays; with six parts, seconds first.',
        cause,
      },
    )
  }
}

/** Due times in `(after, until]`, oldest first; at most the newest `most`. */
export async function dueBetween(when: Cadence, after: number, until: number, from: number, most: number): Promise<readonly number[]> {
  const due: number[] = []
  if (when.type === 'interval') {
    // Counted back from the end: an interval may have been due a million times.
    const every = when.every_s * 1_000
    for (let at = from + Math.floor((until - from) / every) * every; at > after && at > from && due.length < most; at -= every)
      due.unshift(at)
    return due
  }
  for (let at = await nextDue(when, after, from); at !== null && at <= until; at = await nextDue(when, at, from)) {
    due.push(at)
    if (due.length > most) due.shift()
  }
  return due
}

/** @throws OxbowError `bad_input` for a cadence that is never due, or due more often than every `minIntervalS` */
export async function checkCadence(when: Cadence, now: number, minIntervalS: number): Promise<void> {
  const tooOften = (): OxbowError =>
    new OxbowError('bad_input', `It may run at most every ${minIntervalS} s.`, {
      hint: 'Run it less often, or lower `schedules.min_interval_s` in config.toml.',
    })
  if (when.type === 'interval') {
    if (when.every_s < minIntervalS) throw tooOften()
    return
  }
  let at = await nextDue(when, now, now)
  if (at === null)
    throw new OxbowError('bad_input', when.type === 'once' ? 'This time has passed.' : 'This expression is never due.', {
      hint: 'Name a time to come.',
    })
  if (when.type === 'once') return
  // A year of gaps would be exact; expressions repeat their smallest gap much sooner.
  for (let i = 0; i < maxCadenceChecks; i++) {
    const next = await nextDue(when, at, now)
    if (next === null) return
    if (next - at < minIntervalS * 1_000) throw tooOften()
    at = next
  }
}

/** In words, for people. */
export function cadenceText(when: Cadence): string {
  if (when.type === 'once') return `once at ${when.at}`
  if (when.type === 'interval') return `every ${when.every_s} s`
  return `${when.expression}${when.time_zone === '' ? '' : ` ${when.time_zone}`}`
}

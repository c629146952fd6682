import { z } from 'zod'
import { type Call, defineCall } from '../protocol/index.ts'

const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const

export function timeNow(): Call {
  // Resolving the zone builds a whole formatter; it does not change while a guest lives.
  let zone = ''
  return defineCall({
    name: 'time.now',
    routes: [{ method: 'GET', path: '/time' }],
    summary: 'Shows the date, time and time zone.',
    input: z.strictObject({}),
    output: z.strictObject({
      local: z.string().describe('With the UTC offset of the zone (RFC 3339).'),
      weekday: z.string(),
      zone: z.string(),
      unix_ms: z.int(),
    }),
    example: {},
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 1_000,
    run(_input, { clock }) {
      const now = clock.now()
      zone ||= Intl.DateTimeFormat().resolvedOptions().timeZone
      const weekday = weekdays[new Date(now).getDay()] ?? ''
      const local = toLocalTime(now)
      return Promise.resolve({ output: { local, weekday, zone, unix_ms: now }, text: `${weekday}, ${local} (${zone})` })
    },
  })
}

function toLocalTime(unixMs: number): string {
  // Minutes west of Greenwich, by Date's own convention.
  const west = new Date(unixMs).getTimezoneOffset()
  const offset = Math.abs(west)
  const two = (value: number): string => String(value).padStart(2, '0')
  const shifted = new Date(unixMs - west * 60_000).toISOString().slice(0, 19)
  return `${shifted}${west > 0 ? '-' : '+'}${two(Math.floor(offset / 60))}:${two(offset % 60)}`
}

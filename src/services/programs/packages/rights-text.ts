/** What a program may do, as people read it, one thing a line, so that two versions can be compared. */
import { isDeepStrictEqual } from 'node:util'
import { listedCalls, type Manifest } from '../program-package.ts'

export function rightLines(manifest: Manifest): readonly string[] {
  const { paths, hosts, secrets, spend, time_s: timeS } = manifest.rights
  const calls = listedCalls(manifest).map(({ call, input }) => {
    // In quotes: no text of one pattern reads like two, and no name of a field like another field.
    const fields = Object.entries(input).map(([field, wanted]) => `${fieldName(field)} like ${JSON.stringify(wanted)}`)
    return `make the call ${call}${fields.length === 0 ? '' : ` with ${fields.join(', ')}`}`
  })
  return [
    ...calls,
    ...paths.map((path) => `reach files in ${path}`),
    ...hosts.map((host) => `reach the host ${host}`),
    ...secrets.map((secret) => `use the secret ${secret}`),
    ...Object.entries(spend ?? {}).map(([what, amount]) => `spend ${amount} ${what.replaceAll('_', ' ')} a run`),
    ...(timeS === undefined ? [] : [`run for ${timeS} s`]),
    ...manifest.schedule.map(({ name, cron, every_s: everyS, time_zone: zone }) => {
      const when = cron === undefined ? `every ${everyS} s` : `at ${timesText(cron)}${zone === '' ? '' : ` in ${fieldName(zone)}`}`
      return `start by itself ${when} (${fieldName(name)})`
    }),
    ...(manifest.program.tool ? ['be called by agents, as a tool'] : []),
  ]
}

const fieldName = (name: string): string => (/^[\w/-]+$/.test(name) ? name : JSON.stringify(name))
const timesText = (cron: string): string => (/^[\w*/,# -]+$/.test(cron) && !/ in /.test(cron) ? cron : JSON.stringify(cron))

export interface RightsChange {
  /** What the new version may and the old one may not; a limit that is gone or higher is among them. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** @param before null: there is no old version */
export function compareRights(before: Manifest | null, after: Manifest): RightsChange {
  const old = before === null ? [] : rightLines(before)
  const now = rightLines(after)
  const wider = before === null ? [] : widerLimits(before, after)
  const isLower = (line: string): boolean => /^(?:spend|run for) /.test(line) && !wider.includes(line)
  return {
    added: [
      ...now.filter((line) => !old.includes(line) && !(before !== null && isLower(line))),
      ...wider.filter((line) => !now.includes(line)),
    ],
    removed: old.filter((line) => !now.includes(line)),
  }
}

/** Limits of spending and time: none is more than any. */
function widerLimits({ rights: before }: Manifest, { rights: after }: Manifest): readonly string[] {
  const keys = Object.keys({ ...before.spend, ...after.spend }) as (keyof NonNullable<Manifest['rights']['spend']>)[]
  const spending = keys.flatMap((key) => {
    const [old, now] = [before.spend?.[key], after.spend?.[key]]
    if (old === undefined || isDeepStrictEqual(old, now)) return []
    if (now === undefined) return [`spend any number of ${key.replaceAll('_', ' ')} a run`]
    return now > old ? [`spend ${now} ${key.replaceAll('_', ' ')} a run`] : []
  })
  const [oldTime, nowTime] = [before.time_s, after.time_s]
  if (oldTime === undefined || oldTime === nowTime) return spending
  if (nowTime === undefined) return [...spending, 'run for any time']
  return nowTime > oldTime ? [...spending, `run for ${nowTime} s`] : spending
}

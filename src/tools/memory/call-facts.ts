/** What the calls about memory have in common. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Call } from '../../types/index.ts'
import { OxbowError } from '../../types/index.ts'
import { memoryTimeoutMs } from './memory-limits.ts'

type Shared = 'tier' | 'right' | 'effect' | 'labels' | 'timeoutMs'

export const looking: Pick<Call, Shared> = {
  tier: 'read_only',
  right: 'memory.read',
  effect: 'none',
  // Labels are those of what is found: `run` gives them.
  labels: { adds: [], sink: false },
  timeoutMs: memoryTimeoutMs,
}

export const changing: Pick<Call, Shared> = {
  tier: 'side_effecting',
  right: 'memory.write',
  effect: 'idempotent',
  labels: { adds: [], sink: false },
  timeoutMs: memoryTimeoutMs,
}

export const noteId: z.ZodString = z.string().min(1).max(200).describe('Id of the memory, as searches show it.')

/** Longer than any note, so that the refusal is memory's own, which says what to do. */
export const content: z.ZodString = z.string().min(1).max(100_000).describe('The fact, in a sentence or two.')

export const tags: z.ZodArray<z.ZodString> = z.array(z.string().max(1_000)).max(100).describe('Words to find it by.')

/** In hexadecimal: what stands in the journal for words that must not. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A day or a moment, as people and models write it: `2026-11-21`, `2026-11-21T10:00Z`. A day means its end. */
export const moment: z.ZodString = z
  .string()
  .max(40)
  .regex(/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/, 'must be a date such as 2026-11-21')

/** @throws OxbowError `bad_input` for a day that no calendar has */
export function toMoment(text: string): number {
  const isDay = text.length === 10
  const at = Date.parse(isDay ? `${text}T23:59:59.999` : text.replace(' ', 'T'))
  // `Date` takes the 30th of February for the 2nd of March.
  const day = text.slice(0, 10)
  if (Number.isFinite(at) && new Date(Date.parse(day)).toISOString().startsWith(day)) return at
  throw new OxbowError('bad_input', `${JSON.stringify(text)} is no date.`, { hint: 'Write it as 2026-11-21 or 2026-11-21T10:00Z.' })
}

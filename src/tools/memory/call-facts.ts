/** What the memory calls share: their facts for the gate, arguments and dates. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import type { Call, Caller } from '../../protocol/index.ts'
import { OxbowError } from '../../base/index.ts'
import { evident } from '../../protocol/index.ts'
import { memoryTimeoutMs } from '../limits.ts'

type Shared = 'tier' | 'right' | 'effect' | 'labels' | 'timeoutMs'

/** What calls that read memory have in common. */
export const looking: Pick<Call, Shared> = {
  tier: 'read_only',
  right: 'memory.read',
  effect: 'none',
  // `run` returns the labels of the results.
  labels: { adds: [], sink: false },
  timeoutMs: memoryTimeoutMs,
}

/** What calls that change memory have in common. */
export const changing: Pick<Call, Shared> = {
  tier: 'side_effecting',
  right: 'memory.write',
  effect: 'idempotent',
  labels: { adds: [], sink: false },
  timeoutMs: memoryTimeoutMs,
}

/** For each call that tells of a memory by its id, or changes it. @throws OxbowError `not_found`, `denied` for what its caller does not reach */
export async function assertReached(memory: Memory, caller: Caller, ids: readonly string[], changes = true): Promise<void> {
  await (await memory.notes()).assertReached(ids, caller, changes)
}

/** The field that names a memory. */
export const noteId: z.ZodString = z.string().min(1).max(200).describe('Memory, as searches name it.')

/** Longer than any note may be, so that memory refuses it itself, with its own hint. */
export const content: z.ZodString = z.string().min(1).max(100_000).meta(evident('The fact, in one or two sentences.'))

/** The field with the tags of a note. */
export const tags: z.ZodArray<z.ZodString> = z.array(z.string().max(1_000)).max(100).meta(evident('Tags to find it by.'))

/** Hexadecimal hash: recorded in the journal in place of text that must not be in it. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A day or a moment: `2026-11-21`, `2026-11-21T10:00Z`. A day means its end. */
export const moment: z.ZodString = z
  .string()
  .max(40)
  .regex(/^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/, 'must be a date such as 2026-11-21')

/** @throws OxbowError `bad_input` for a date that does not exist */
export function toMoment(text: string): number {
  const isDay = text.length === 10
  const at = Date.parse(isDay ? `${text}T23:59:59.999` : text.replace(' ', 'T'))
  // `Date` reads 30 February as 2 March.
  const day = text.slice(0, 10)
  if (Number.isFinite(at) && new Date(Date.parse(day)).toISOString().startsWith(day)) return at
  throw new OxbowError('bad_input', `${JSON.stringify(text)} is not a date.`, { hint: 'Write it as 2026-11-21 or 2026-11-21T10:00Z.' })
}

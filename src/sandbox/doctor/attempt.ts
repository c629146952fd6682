/** One thing that is tried, under a time limit, so that no part of a machine can hold up the rest of the examination. */
import { setTimeout as delay } from 'node:timers/promises'
import { toFailure } from '../../types/index.ts'
import type { DoctorCheck } from '../../types/index.ts'

export type Finding = Pick<DoctorCheck, 'state' | 'says' | 'fix'>

export interface Attempt {
  readonly name: string
  readonly timeoutMs: number
  readonly required?: boolean
  /** Does it. What it throws is a finding too. */
  run(): Promise<Finding>
}

export const ok = (says: string): Finding => ({ state: 'ok', says, fix: '' })
export const weak = (says: string, fix: string): Finding => ({ state: 'weak', says, fix })
export const missing = (says: string, fix: string): Finding => ({ state: 'missing', says, fix })

/** Never rejects. What still runs after its time is left to its own limits. */
export async function attempt({ name, timeoutMs, required = false, run }: Attempt): Promise<DoctorCheck> {
  const begin = performance.now()
  const over = new AbortController()
  const tooLong = delay(timeoutMs, missing(`no answer within ${timeoutMs / 1000} s`, 'Try again when the machine is less busy.'), {
    signal: over.signal,
  })
  try {
    const finding = await Promise.race([run(), tooLong])
    return { name, ...finding, required, ms: Math.round(performance.now() - begin) }
  } catch (error) {
    const { message, hint } = toFailure(error, 'sandbox_failed', 'Try again, and see docs/isolation.md.')
    return { name, ...missing(message, hint), required, ms: Math.round(performance.now() - begin) }
  } finally {
    over.abort()
    tooLong.catch(() => undefined)
  }
}

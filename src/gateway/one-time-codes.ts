/** Codes that work once and for a while, kept in memory as hashes. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Random } from '../base/index.ts'
import { createToken } from './admission.ts'

export interface OneTimeCodes<Value> {
  /** @returns a new code for the value */
  put(value: Value): string
  /** @returns null for a code that is not known, or whose time is over */
  find(code: string): Value | null
  /** As `find`, and the code is used up. */
  take(code: string): Value | null
}

/** @param max of all; whoever floods it has the oldest one forgotten. @param now unix milliseconds, as `until` is */
export function createOneTimeCodes<Value extends { readonly until: number }>(
  max: number,
  { random, now }: { readonly random: Random; readonly now: () => number },
): OneTimeCodes<Value> {
  const all = new Map<string, Value>()
  /** Compares with every code, so that the time reveals nothing. */
  const hashIn = (code: string): string | null => {
    const wanted = Buffer.from(hashOf(code))
    let found: string | null = null
    for (const hash of all.keys()) if (timingSafeEqual(Buffer.from(hash), wanted)) found = hash
    return found
  }
  const living = (hash: string | null): Value | null => {
    const value = hash === null ? undefined : all.get(hash)
    return value !== undefined && value.until > now() ? value : null
  }
  return {
    put(value) {
      for (const [hash, { until }] of all) if (until <= now()) all.delete(hash)
      const [oldest] = all.keys()
      if (all.size >= max && oldest !== undefined) all.delete(oldest)
      const code = createToken(random)
      all.set(hashOf(code), value)
      return code
    },
    find: (code) => living(hashIn(code)),
    take(code) {
      const hash = hashIn(code)
      const value = living(hash)
      if (hash !== null) all.delete(hash)
      return value
    },
  }
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/**
 * Looking for phrases in the bodies of a journal, where the journal is: in the store's thread, in slices. Whoever asks gets the
 * records that say it and how far the look has come, and asks again from there; between two slices the thread answers others.
 */
import { parseErased } from '../chain.ts'
import { scanPage, scanSliceMs } from '../limits.ts'
import { matchPhrases, type PhraseMatch } from './phrase-match.ts'
import type { ScanAnswer, ScanQuery } from './scan-message.ts'

type Row = readonly (string | number)[]

export interface ScanSlice {
  /** Where the next page begins; null when the slice is over. */
  next(): { readonly after: number; readonly limit: number } | null
  /** @param bodies hydrated, one for each row */
  take(rows: readonly Row[], bodies: (at: number) => string): void
  answer(): ScanAnswer
}

/** @param now a monotonic clock in milliseconds */
export function openScanSlice({ after, before, phrases }: ScanQuery, now: () => number = () => performance.now()): ScanSlice {
  const match: PhraseMatch = matchPhrases(phrases)
  const until = now() + scanSliceMs
  const fields: (string | number)[] = []
  let upto = after
  let over = false
  return {
    next: () => (over ? null : { after: upto, limit: scanPage }),
    take(rows, bodies) {
      for (const [at, row] of rows.entries()) {
        upto = row[0] as number
        const body = bodies(at)
        if (parseErased(body) === null && match.inBody(body)) fields.push(...row)
        over = now() >= until
        if (over) return
      }
      if (rows.length >= scanPage) return
      over = true
      upto = before - 1
    },
    answer: () => ({ fields, upto }),
  }
}

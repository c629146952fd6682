/**
 * An answer that begins anew while its first beginning is on the screen. What a terminal has shown cannot be taken back (it may
 * have scrolled away, or be a file), so it is marked as void; and what the new answer has in common with it is not shown twice.
 */
import type { RestartCause } from '../../client/index.ts'
import { maxRestartReasonChars } from '../limits.ts'
import { plainLine } from './terminal-text.ts'

/** What is on the screen and may be void, and who says so. */
export interface Begun {
  readonly shown: string
  readonly cause: RestartCause | null
}

/** How the new answer stands to what is shown. */
export type Comparison =
  /** It has said nothing else so far, and not yet all of it. */
  | { readonly kind: 'same_so_far' }
  /** All that is shown holds; `rest` goes on from there. */
  | { readonly kind: 'holds'; readonly rest: string }
  /** It is another one: after `mark`, `text` begins with the first line that differs. */
  | { readonly kind: 'differs'; readonly mark: string; readonly text: string }

/** @param isWhole the new answer says no more */
export function compareBegun({ shown, cause }: Begun, said: string, isWhole: boolean): Comparison {
  const common = commonLength(shown, said)
  if (common === shown.length) return { kind: 'holds', rest: said.slice(common) }
  if (common === said.length && !isWhole) return { kind: 'same_so_far' }
  const from = common === 0 ? 0 : said.lastIndexOf('\n', common - 1) + 1
  const lines = said.slice(0, from).split('\n').length - 1
  return { kind: 'differs', mark: voidMark(cause, lines), text: said.slice(from) }
}

/** For an answer of which nothing that can be seen was shown, or of which all of it holds: who answers is said nevertheless. */
export function takeoverMark({ shown, cause }: Begun): string | null {
  if (cause === null) return null
  const what = shown === '' ? 'the answer is from' : 'the answer was begun again, with the same words, by'
  return `— ${what} ${modelOf(cause)}: ${reasonOf(cause)} —`
}

function voidMark(cause: RestartCause | null, lines: number): string {
  const again =
    cause === null ? 'this was corrected, the answer reads' : `the answer begins again, by ${modelOf(cause)}: ${reasonOf(cause)}`
  const kept = lines === 0 ? '' : `; ${lines === 1 ? 'its first line stays' : `its first ${lines} lines stay`}`
  return `— ${again}${kept} —`
}

function modelOf({ model }: RestartCause): string {
  return plainLine(model, maxRestartReasonChars)
}

function reasonOf({ why }: RestartCause): string {
  return plainLine(why, maxRestartReasonChars).replace(/\.$/, '')
}

function commonLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length)
  if (a.startsWith(b) || b.startsWith(a)) return most
  let length = 0
  while (length < most && a.charCodeAt(length) === b.charCodeAt(length)) length += 1
  return length
}

/** Prints a turn's text as it streams, and the reply when it differs from the last streamed text. */
import type { FollowEvent, RestartCause } from '../../client/index.ts'
import { maxRestartReasonChars } from '../limits.ts'
import { plainLine, plainText } from './terminal-text.ts'

interface ReplyStream {
  /** Prints the text of an event that belongs to the turn; other events pass by. */
  take(event: FollowEvent, turn: string): void
  /** Ends the line that is open, if one is. */
  breakLine(): void
  /** Prints the reply when it was not the last thing said, and ends the line. */
  finish(reply: string): void
}

export function createReplyStream(write: (text: string) => void): ReplyStream {
  let call = ''
  /** Text of the newest step, as it came. */
  let said = ''
  let open = false
  /** While the step begins anew: what of it is shown. Its new words are held back as long as they are the same. */
  let begun: Begun | null = null
  /** To be said on a line of its own, where the text makes room for one. */
  let note: string | null = null

  const print = (text: string): void => {
    const clean = plainText(text)
    if (clean === '') return
    write(clean)
    open = !clean.endsWith('\n')
  }
  const line = (text: string): void => {
    print(`${open ? '\n' : ''}${text}\n`)
  }
  const settle = (isWhole: boolean): void => {
    if (begun === null) return
    const found = compareBegun(begun, said, isWhole)
    if (found.kind === 'same_so_far') return
    if (found.kind === 'holds') {
      note = takeoverMark(begun)
      print(found.rest)
    } else {
      line(found.mark)
      print(found.text)
    }
    begun = null
  }
  const breakLine = (): void => {
    settle(true)
    if (note !== null) line(note)
    else if (open) write('\n')
    note = null
    open = false
  }
  return {
    take(event, turn) {
      if ((event.type !== 'text' && event.type !== 'restart') || event.turn !== turn) return
      if (event.call !== call) {
        breakLine()
        call = event.call
        said = ''
      }
      if (event.type === 'restart') {
        // One that begins anew twice has only its first beginning on the screen.
        begun = { shown: begun?.shown ?? said, cause: event.cause ?? begun?.cause ?? null }
        said = ''
      }
      said += event.text
      if (begun === null) return print(event.text)
      settle(false)
      // Before the first word there is room for it.
      if (said === '' && note !== null) breakLine()
    },
    breakLine,
    finish(reply) {
      settle(true)
      if (reply.trim() !== '' && said.trim() !== reply.trim()) {
        breakLine()
        print(reply)
      }
      breakLine()
    },
  }
}

// An answer that restarts. What a terminal has shown cannot be taken back, so it is marked as void; the words that the new answer
// shares with it are not shown twice.

/** What is on the screen and may be void, and who says so. */
interface Begun {
  readonly shown: string
  readonly cause: RestartCause | null
}

/** How the new answer stands to what is shown. */
type Comparison =
  /** It has said nothing else so far, and not yet all of it. */
  | { readonly kind: 'same_so_far' }
  /** All that is shown holds; `rest` goes on from there. */
  | { readonly kind: 'holds'; readonly rest: string }
  /** It is another one: after `mark`, `text` begins with the first line that differs. */
  | { readonly kind: 'differs'; readonly mark: string; readonly text: string }

/** @param isWhole the new answer says no more */
function compareBegun({ shown, cause }: Begun, said: string, isWhole: boolean): Comparison {
  const common = commonLength(shown, said)
  if (common === shown.length) return { kind: 'holds', rest: said.slice(common) }
  if (common === said.length && !isWhole) return { kind: 'same_so_far' }
  const from = common === 0 ? 0 : said.lastIndexOf('\n', common - 1) + 1
  const lines = said.slice(0, from).split('\n').length - 1
  return { kind: 'differs', mark: voidMark(cause, lines), text: said.slice(from) }
}

/** For an answer of which nothing that can be seen was shown, or of which all of it holds: who answers is said nevertheless. */
function takeoverMark({ shown, cause }: Begun): string | null {
  if (cause === null) return null
  const what = shown === '' ? 'the answer is from' : 'the answer was restarted, with the same words, by'
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

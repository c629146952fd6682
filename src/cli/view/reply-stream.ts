/** Prints a turn's text as it streams, and the reply when it differs from the last streamed text. */
import type { FollowEvent, RestartCause } from '../../client/index.ts'
import { maxRestartReasonChars } from '../limits.ts'
import { plainLine, plainText } from '../../terminal/index.ts'

interface ReplyStream {
  /** Prints the text of an event of the turn; ignores other events. */
  take(event: FollowEvent, turn: string): void
  /** Ends the current line if it is not empty. */
  breakLine(): void
  /** Prints the reply unless it was already streamed, and ends the line. */
  finish(reply: string): void
}

export function createReplyStream(write: (text: string) => void): ReplyStream {
  let call = ''
  /** Streamed text of the newest step. */
  let streamed = ''
  let open = false
  /** After a restart: the text on the screen. New text is held back while it is the same. */
  let restarted: Restarted | null = null
  /** Printed on a line of its own at the next line break. */
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
  const settle = (isComplete: boolean): void => {
    if (restarted === null) return
    const found = compareRestart(restarted, streamed, isComplete)
    if (found.kind === 'same_so_far') return
    if (found.kind === 'continues') {
      note = takeoverMark(restarted)
      print(found.rest)
    } else {
      line(found.mark)
      print(found.text)
    }
    restarted = null
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
        streamed = ''
      }
      if (event.type === 'restart') {
        // After a second restart, the screen still shows the first text.
        restarted = { shown: restarted?.shown ?? streamed, cause: event.cause ?? restarted?.cause ?? null }
        streamed = ''
      }
      streamed += event.text
      if (restarted === null) return print(event.text)
      settle(false)
      // Before the first word, the note fits here.
      if (streamed === '' && note !== null) breakLine()
    },
    breakLine,
    finish(reply) {
      settle(true)
      if (reply.trim() !== '' && streamed.trim() !== reply.trim()) {
        breakLine()
        print(reply)
      }
      breakLine()
    },
  }
}

// Restarted answers. Text on a terminal cannot be erased, so it is marked as void; the beginning that the new answer shares with it is not
// printed twice.

/** The text on the screen, and why the answer restarted. */
interface Restarted {
  readonly shown: string
  readonly cause: RestartCause | null
}

/** The new answer compared with the text on the screen. */
type Comparison =
  /** The same so far, but shorter. */
  | { readonly kind: 'same_so_far' }
  /** Begins with all of the shown text and continues with `rest`. */
  | { readonly kind: 'continues'; readonly rest: string }
  /** Another answer: `text` begins with the first line that differs, and is printed after `mark`. */
  | { readonly kind: 'differs'; readonly mark: string; readonly text: string }

/** @param isComplete the new answer is complete */
function compareRestart({ shown, cause }: Restarted, text: string, isComplete: boolean): Comparison {
  const common = commonLength(shown, text)
  if (common === shown.length) return { kind: 'continues', rest: text.slice(common) }
  if (common === text.length && !isComplete) return { kind: 'same_so_far' }
  const from = common === 0 ? 0 : text.lastIndexOf('\n', common - 1) + 1
  const lines = text.slice(0, from).split('\n').length - 1
  return { kind: 'differs', mark: voidMark(cause, lines), text: text.slice(from) }
}

/** Names the model that took over, if nothing of the answer was shown yet, or the answer repeats all of it. */
function takeoverMark({ shown, cause }: Restarted): string | null {
  if (cause === null) return null
  const what = shown === '' ? 'the answer is from' : 'the answer was restarted, with the same words, by'
  return `— ${what} ${modelOf(cause)}: ${reasonOf(cause)} —`
}

function voidMark(cause: RestartCause | null, lines: number): string {
  const again = cause === null ? 'this was corrected; the answer is' : `the answer begins again, by ${modelOf(cause)}: ${reasonOf(cause)}`
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
  const shorter = Math.min(a.length, b.length)
  if (a.startsWith(b) || b.startsWith(a)) return shorter
  let length = 0
  while (length < shorter && a.charCodeAt(length) === b.charCodeAt(length)) length += 1
  return length
}

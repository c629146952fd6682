/** Prints a turn's text as it comes, step by step, and the reply where it was not the last thing said. */
import type { FollowEvent } from '../../client/index.ts'
import { type Begun, compareBegun, takeoverMark } from './begun-answer.ts'
import { plainText } from './terminal-text.ts'

export interface ReplyStream {
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

/**
 * English to commands, by rules: each verb has a small file-sized grammar and the first that fits wins. Tolerant of
 * politeness, fillers and word order; never guesses a path or a text that was not said.
 */
import { commandChars, unquotedChars } from '../limits.ts'
import { type Command, readSentence, type Rule, type Sentence } from './command.ts'
import { changeRules } from './change-grammar.ts'
import { dailyRules } from './daily-grammar.ts'
import { lookRules } from './look-grammar.ts'

const courtesy =
  /^(?:please|pls|kindly|hey|hi|hello|ok(?:ay)?|now|then|next|so|well|oxbow|ox|(?:can|could|would|will) you|i(?:'d| would) like you to|i want you to|i need you to|i want to|let(?:'s| us)|go ahead and|just)(?:[\s,:!]+|$)/i

const talk: Rule = (body) => {
  const text = body.replaceAll(/[?!.…]+$/g, '').trim()
  if (
    /^(?:\?|help(?: me)?|commands?|usage|what can (?:you|i) (?:do|say|ask).*|how (?:do|does|can) (?:i|this|it|you) .*|who are you.*|what are you.*)$/i.test(
      text,
    ) ||
    body === '?'
  )
    return { kind: 'help' }
  if (
    /^what (?:did|have) you (?:just )?(?:do|done|been doing|change|changed)\b|^what (?:has )?happened\b|^(?:show )?(?:me )?(?:the )?history$|^what was done/i.test(
      text,
    )
  )
    return { kind: 'story' }
  if (
    /^(?:what(?:'s|’s| is) (?:the )?(?:current )?(?:time|date|day)|what (?:time|day|date) is it|(?:tell|give) me the (?:time|date)|time|date|now)\b(?!\S)/i.test(
      text,
    ) &&
    text.length < 60
  )
    return { kind: 'time' }
  if (/^(?:thanks|thank you|thx|ty|cheers|great|nice|cool|perfect|well done|good job|awesome|bye|goodbye)\b.{0,40}$/i.test(text))
    return { kind: 'thanks' }
  return null
}

const rules: readonly Rule[] = [talk, ...dailyRules, ...changeRules, ...lookRules]

/** @returns the commands of a message in order: one, or several joined by "then", `;` or lines. Never throws. */
export function readCommands(message: string): readonly Command[] {
  const text = message.slice(0, commandChars).trim()
  const run = readRun(withoutCourtesy(text))
  if (run !== null) return [run]
  const sentence = readSentence(text)
  // Long runs of blanks would take the grammar cubic time.
  if (sentence.skeleton.length > unquotedChars || /\s{24}/.test(sentence.skeleton)) {
    return [
      { kind: 'unclear', missing: 'what a text this long is for: put its content in quotes', example: 'write "some text" to notes.txt' },
    ]
  }
  const whole = readOne(sentence.skeleton, sentence)
  const pieces = sentence.skeleton
    .split(/\s*(?:;|,?\s+and\s+then\b|,?\s+then\b|[.\n]\s*then\b|\n)\s*/i)
    .filter((piece) => piece.trim() !== '')
  if (pieces.length < 2) return [whole]
  const several = pieces.map((piece) => {
    const part = withoutCourtesy(piece.trim())
    return readRun(/\0/.test(part) ? sentence.fill(part) : part) ?? readOne(piece, sentence)
  })
  // A sentence is only taken apart when every part is understood by itself.
  return several.every((command) => command.kind !== 'unknown' && command.kind !== 'unclear') ? several : [whole]
}

function readOne(piece: string, sentence: Sentence): Command {
  const said = piece.trim()
  if (/^(?:hi|hello|hey|howdy|yo|good (?:morning|day|afternoon|evening))(?: there| ox| oxbow)?[\s!.,]*$/i.test(said))
    return { kind: 'hello' }
  const body = withoutCourtesy(said).replace(/[\s,]+(?:please|pls|thanks|thank you|for me|now)[\s.!?]*$/i, '')
  for (const rule of rules) {
    const command = rule(body, sentence)
    if (command !== null) return command
  }
  return { kind: 'unknown' }
}

function withoutCourtesy(text: string): string {
  let rest = text
  for (let before = ''; before !== rest;) {
    before = rest
    rest = rest.replace(courtesy, '')
  }
  return rest
}

/** `run`, `exec`, `execute`, `$` and `!` take the rest of the message as it is, quotes included. */
function readRun(text: string): Command | null {
  const found = /^(?:[$!]\s*|(?:run|exec|execute|shell)(?:\s+|:\s*|$)(?:(?:the\s+)?(?:shell\s+)?commands?\b\s*:?\s*)?)([\s\S]*)$/i.exec(
    text,
  )
  if (found === null) return null
  const rest = (found[1] ?? '').trim()
  const sentence = readSentence(rest)
  const command = /^\0\d+\0$/.test(sentence.skeleton) ? sentence.fill(sentence.skeleton).trim() : rest
  if (command === '') return { kind: 'unclear', missing: 'which command to run', example: 'run ls -l' }
  return { kind: 'run', command }
}

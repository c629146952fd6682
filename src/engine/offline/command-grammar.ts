/**
 * English to commands, by rules: the first that fits wins. They accept politeness, fillers and any word order, and never guess a path
 * or a text that the message does not have. Here are the rules for talk and everyday requests (lists, memory, the web, sums, versions,
 * reminders); those for files are in `file-grammar.ts`.
 */
import { withoutFolderNote } from '../../base/index.ts'
import { commandChars, unquotedChars } from '../limits.ts'
import { type Command, fullPath, readSentence, type Rule, type Sentence } from './command.ts'
import { changeRules, lookRules } from './file-grammar.ts'

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

/** @returns the commands of a message in order: one, or several joined by "then", `;` or lines. Never throws. */
export function readCommands(message: string): readonly Command[] {
  const { text, folder } = withoutFolderNote(message, 'Work', 'The editor works')
  const commands = readText(text)
  return !folder.startsWith('/shared/') ? commands : commands.map((command) => inFolder(command, text, folder))
}

/** A path that the message does not name in full begins in the folder. */
function inFolder(command: Command, text: string, folder: string): Command {
  if (command.kind === 'run') return { ...command, command: `cd '${folder.replaceAll("'", `'\\''`)}' && ${command.command}` }
  if (!('path' in command) || command.path === null) return command
  const isRelative = /^\/shared(?:\/|$)/.test(command.path) && !text.includes(command.path)
  return isRelative ? { ...command, path: folder + command.path.slice('/shared'.length) } : command
}

function readText(message: string): readonly Command[] {
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
  const trimmed = piece.trim()
  if (/^(?:hi|hello|hey|howdy|yo|good (?:morning|day|afternoon|evening))(?: there| ox| oxbow)?[\s!.,]*$/i.test(trimmed))
    return { kind: 'hello' }
  const body = withoutCourtesy(trimmed).replace(/[\s,]+(?:please|pls|thanks|thank you|for me|now)[\s.!?]*$/i, '')
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

const list = String.raw`(?:my|the|a|an|our)?\s*(?:new\s+|empty\s+)?(to[- ]?dos?|tasks?|shopping|grocery)(?:[- ]?list)?`

const lists: Rule = (body, sentence) => {
  const plain = body.replace(/[.!?]+$/, '')
  const made = new RegExp(
    String.raw`^(?:make|create|start|write|give|begin|set\s+up|new)\s+(?:me\s+)?${list}(?:\s*(?::|\bwith\b|\bof\b)\s*([\s\S]+))?$`,
    'i',
  ).exec(plain)
  if (made !== null) return { kind: 'todo', ...listOf(made[1] ?? ''), items: itemsIn(made[2] ?? '', sentence) }
  const added = new RegExp(String.raw`^(?:add|put|write|append)\s+([\s\S]+?)\s+(?:to|on|onto|into|in)\s+${list}$`, 'i').exec(plain)
  if (added !== null) return { kind: 'todo', ...listOf(added[2] ?? ''), items: itemsIn(added[1] ?? '', sentence) }
  const shown = new RegExp(
    String.raw`^(?:show|read|open|see|what(?:'s|’s|\s+is)\s+(?:on|in)|what(?:'s|’s|\s+is|\s+are))\s+(?:me\s+)?${list}$`,
    'i',
  ).exec(plain)
  return shown === null ? null : { kind: 'read', path: listOf(shown[1] ?? '').path, fromLine: 0, maxLines: 0 }
}

function listOf(name: string): { readonly path: string; readonly title: string } {
  const isShopping = /^(?:shop|groc)/i.test(name)
  return isShopping ? { path: '/shared/shopping.md', title: 'Shopping' } : { path: '/shared/todo.md', title: 'To do' }
}

function itemsIn(text: string, sentence: Sentence): readonly string[] {
  return text
    .split(/\s*(?:[,;\n]|\band\b)\s*/i)
    .map((item) => sentence.fill(item).trim())
    .filter((item) => item !== '')
}

const memory: Rule = (body, sentence) => {
  const question = /^(?:what\s+do\s+you\s+(?:remember|know)|do\s+you\s+remember|recall)\b\s*(?:about|of|that)?\s*([\s\S]*?)[?.!]*$/i.exec(
    body,
  )
  if (question !== null) {
    const query = sentence.fill(question[1] ?? '').trim()
    return query === ''
      ? { kind: 'unclear', missing: 'what to look up in memory', example: 'what do you remember about my car' }
      : { kind: 'recall', query }
  }
  const statement =
    /^(?:remember|memori[sz]e|keep\s+in\s+mind|note(?=\s+that\b|:)|(?:do\s+not|don['’]t)\s+forget)\b(?:\s+that\b|\s*:)?\s*([\s\S]*)$/i
  const found = statement.exec(body)
  if (found === null) return null
  const text = sentence.fill(found[1] ?? '').trim()
  return text === ''
    ? { kind: 'unclear', missing: 'what to remember', example: 'remember that I use metric units' }
    : { kind: 'remember', text: text[0]!.toUpperCase() + text.slice(1) }
}

const web: Rule = (body, sentence) => {
  const page = /^(?:fetch|browse|visit|open|read|get|show|summari[sz]e|go\s+to|look\s+at)\s+(?:me\s+)?(https?:\/\/\S+)$/i.exec(body)
  if (page !== null) return { kind: 'fetch', url: page[1] ?? '' }
  const online = String.raw`(?:the\s+)?(?:web|internet|net)`
  const found =
    new RegExp(String.raw`^(?:google|web\s+search|(?:search|look|ask)\s+(?:(?:in|on)\s+)?${online})\s+(?:for\s+)?([\s\S]+)$`, 'i').exec(
      body,
    ) ?? new RegExp(String.raw`^(?:search|look|find)\s+(?:for\s+|up\s+)?([\s\S]+?)\s+(?:on|in)\s+${online}[?.!]*$`, 'i').exec(body)
  return found === null ? null : { kind: 'web_search', query: sentence.fill(found[1] ?? '').trim() }
}

const sums: Rule = (body) => {
  const found = /^(?:what(?:'s|’s|\s+is)|how\s+much\s+is|calculate|compute|evaluate)?\s*([-+*/%^().\d\s×÷x]{3,200})=?\s*[?.!]*$/i.exec(body)
  const text = found?.[1]?.replaceAll(/[×x]/gi, '*').replaceAll('÷', '/').replaceAll(/\s+/g, '') ?? ''
  if (!/[\d)][-+*/%^][-\d(.]/.test(text)) return null
  const value = evaluate(text)
  return value === null ? null : { kind: 'sum', expression: text, value }
}

/** @returns the value of a sum of numbers, `+ - * / % ^` and brackets; null when it is not one. Not finite when it has no value. */
function evaluate(text: string): number | null {
  let at = 0
  const take = (marks: string): string | null => (at < text.length && marks.includes(text[at]!) ? text[at++]! : null)
  const atom = (): number | null => {
    if (take('-') !== null) return apply(0, '-', power())
    if (take('(') !== null) {
      const inner = sum()
      return take(')') === null ? null : inner
    }
    const number = /^(?:\d+\.?\d*|\.\d+)/.exec(text.slice(at))?.[0]
    if (number === undefined) return null
    at += number.length
    return Number(number)
  }
  const power = (): number | null => {
    const base = atom()
    return take('^') === null ? base : apply(base, '^', power())
  }
  const chain = (marks: string, next: () => number | null): number | null => {
    let value = next()
    for (let mark = take(marks); mark !== null && value !== null; mark = take(marks)) value = apply(value, mark, next())
    return value
  }
  const sum = (): number | null => chain('+-', () => chain('*/%', power))
  const value = sum()
  return at === text.length ? value : null
}

function apply(left: number | null, mark: string, right: number | null): number | null {
  if (left === null || right === null) return null
  if (mark === '+') return left + right
  if (mark === '-') return left - right
  if (mark === '*') return left * right
  if (mark === '/') return left / right
  return mark === '%' ? left % right : left ** right
}

const restores: Rule = (body, sentence) => {
  const found =
    /^(?:undo|revert|roll\s*back|restore|undelete|bring\s+back|take\s+(?:that|it|this)\s+back)\b\s*(?:(?:the\s+)?(?:changes?|edits?)\s+(?:to|of|in)\s+)?([\s\S]*)$/i.exec(
      body,
    )
  if (found === null) return null
  const named = (found[1] ?? '').replace(/[.!?]+$/, '').replace(/^(?:the\s+)?(?:file|folder|directory)\s+/i, '')
  if (
    /^(?:|that|it|this|(?:(?:the|my|your)\s+)?(?:last|latest|newest|previous)\s+(?:change|edit|step|one|thing)s?|(?:the\s+)?changes?)$/i.test(
      named,
    )
  )
    return { kind: 'restore', path: null }
  return { kind: 'restore', path: fullPath(named, sentence) }
}

const reminders: Rule = (body) => {
  const timed =
    /^(?:remind\s+me|set\s+(?:me\s+)?(?:an?\s+|the\s+)?(?:reminder|alarm|timer)|wake\s+me|schedule|every\s+(?:day|hour|morning|evening|week))\b/i
  return timed.test(body) ? { kind: 'reminder' } : null
}

const rules: readonly Rule[] = [talk, restores, reminders, memory, lists, web, sums, ...changeRules, ...lookRules]

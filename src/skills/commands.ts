/**
 * Commands: texts that a person sends as `/name arguments`. `$ARGUMENTS` stands for everything behind the name, `$1`, `$2` … for its
 * words. Nothing else is replaced: no variable of the environment, no output of a program, no file.
 */
import { OxbowError } from '../base/index.ts'
import { maxExpandedChars } from './limits.ts'

export interface CommandText {
  readonly description: string
  /** What to write behind the name; empty: not said. */
  readonly hint: string
  readonly body: string
}

/** @param text of the file, with or without a frontmatter; only its `description` and `argument-hint` are read */
export function readCommand(text: string): CommandText {
  const [whole = '', frontmatter = ''] = /^---\r?\n([\s\S]*?)\r?\n---(?:\r?\n|$)/.exec(text) ?? []
  const body = text.slice(whole.length).trim()
  return { description: fieldOf(frontmatter, 'description') || firstLine(body), hint: fieldOf(frontmatter, 'argument-hint'), body }
}

const maxLineChars = 200

function fieldOf(frontmatter: string, name: string): string {
  const line = frontmatter.split('\n').find((each) => each.startsWith(`${name}:`)) ?? ''
  const value = line.slice(name.length + 1).trim()
  return (/^(["'])(.*)\1$/.exec(value)?.[2] ?? value).slice(0, maxLineChars).toWellFormed()
}

function firstLine(body: string): string {
  const line = body.split('\n', 1)[0] ?? ''
  return line
    .replace(/^#+\s*/, '')
    .trim()
    .slice(0, maxLineChars)
    .toWellFormed()
}

/** @returns the message @throws OxbowError `limit_reached` */
export function expandCommand(body: string, argumentText: string): string {
  const given = argumentText.trim()
  const words = wordsOf(given)
  const parts: string[] = []
  let chars = 0
  // Counted before they are joined: many places of long arguments are more than a string can hold.
  const add = (part: string): void => {
    chars += part.length
    if (chars > maxExpandedChars) throw tooLong()
    parts.push(part)
  }
  let end = 0
  for (const { 0: place, 1: all, 2: word, index } of body.matchAll(/\$(?:(ARGUMENTS)(?![A-Za-z0-9_])|([1-9]\d?)(?!\d))/g)) {
    add(body.slice(end, index))
    add(all === undefined ? (words[Number(word) - 1] ?? '') : given)
    end = index + place.length
  }
  add(body.slice(end))
  if (end === 0 && given !== '') add(`\n\n${given}`)
  return parts.join('')
}

function tooLong(): OxbowError {
  return new OxbowError('limit_reached', `The command has more than ${maxExpandedChars} characters with its arguments.`, {
    hint: 'Write the arguments into a file, and name the file.',
  })
}

/** Words as a shell splits them; quotes group, a backslash takes the next character as it is. An open quote ends with the text. */
function wordsOf(text: string): readonly string[] {
  const words: string[] = []
  for (const [found] of text.matchAll(/(?:"(?:\\[\s\S]|[^"\\])*(?:"|$)|'[^']*(?:'|$)|\\[\s\S]|[^\s"'])+/g))
    words.push(
      found.replace(/"((?:\\[\s\S]|[^"\\])*)(?:"|$)|'([^']*)(?:'|$)|\\([\s\S])/g, (_, double?: string, single?: string, plain?: string) =>
        double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : (single ?? plain ?? ''),
      ),
    )
  return words
}

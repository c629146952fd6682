/** The members of an object in its JSON text, as text: a value that is taken out keeps every digit. */
import { readLenientJson } from './lenient-json.ts'

export interface Member {
  readonly name: string
  /** The value as JSON text. */
  readonly json: string
}

/**
 * @param text a JSON object
 * @param most more members than this are not read
 * @returns null when there are more, or what is read is no object.
 */
export function readMembers(text: string, most: number): readonly Member[] | null {
  const members: Member[] = []
  let at = text.indexOf('{') + 1
  for (;;) {
    at = afterSpace(text, at)
    if (text[at] === '}') return members
    if (members.length === most) return null
    const name = readLenientJson(text, at, false)
    if (name === null) return null
    at = afterSpace(text, name.end)
    if (text[at] !== ':') return null
    const value = readLenientJson(text, afterSpace(text, at + 1), false)
    if (value === null) return null
    members.push({ name: String(JSON.parse(name.json)), json: value.json })
    at = afterSpace(text, value.end)
    if (text[at] === ',') at += 1
    else if (text[at] !== '}') return null
  }
}

function afterSpace(text: string, from: number): number {
  let at = from
  while (at < text.length && /\s/.test(text[at]!)) at += 1
  return at
}

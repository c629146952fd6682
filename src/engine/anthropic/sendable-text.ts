/** What must be true of names, ids and JSON text before the service takes them: one wrong piece refuses a whole conversation. */
import { maxToolNameChars } from '../limits.ts'

/** @returns JSON text of a value, without halves of surrogate pairs: the service answers them with "no low surrogate in string". */
export function jsonOf(value: unknown): string {
  return soundJson(JSON.stringify(value))
}

/** Keeps pairs and skips all other escapes, so that an escaped backslash before a `u` is not taken for one. */
const surrogates = /\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[dD][89a-fA-F][\da-fA-F]{2}|\\./g

/** @param json valid JSON text */
function soundJson(json: string): string {
  if (!/\\u[dD][89a-fA-F]/.test(json)) return json
  return json.replaceAll(surrogates, (found) => (found.length === 6 ? String.raw`\ufffd` : found))
}

/** Other wires make ids with other characters in them. The same id always becomes the same. */
export function sendableId(id: string): string {
  const clean = id.replaceAll(/[^\w-]/g, '_')
  return clean === '' ? 'call' : clean
}

/** A model may have called a tool by a name that no tool could have. */
export function sendableName(name: string): string {
  const clean = name.replaceAll(/[^\w-]/g, '_').slice(0, maxToolNameChars)
  return clean === '' ? 'unnamed' : clean
}

/** @param text arguments as a model wrote them. @returns JSON text of an object: broken text is wrapped, so that the model can still read it. */
export function sendableArguments(text: string): string {
  if (isObjectText(text)) return soundJson(text)
  return jsonOf(text.trim() === '' ? {} : { invalid_arguments: text })
}

export function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** Finds the tool that a misspelt name can only mean. Case, separators and the prefixes and suffixes of chat templates differ. */
import { maxLikenessChars } from '../limits.ts'

/**
 * @param names all tools on offer
 * @returns the one tool that is meant, or null when it is none or more than one.
 */
export function mendName(name: string, names: Iterable<string>): string | null {
  if (name.length > maxLikenessChars) return null
  const all = [...names]
  for (const spelling of [name, stripTemplate(name)]) {
    const key = keyOf(spelling)
    const found = key === '' ? [] : all.filter((known) => keyOf(known) === key)
    if (found.length === 1) return found[0] ?? null
    if (found.length > 1) return null
  }
  return null
}

export function sameToolName(name: string, known: string): boolean {
  return mendName(name, [known]) === known
}

/** Letters and digits alone, in lower case: `File.Read`, `file-read` and `fileRead` are `file_read`. */
function keyOf(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '')
}

/** Without `functions.` before it (OpenAI), `default_api:` (Gemini), `:0` (Kimi) or `<|channel|>…` (gpt-oss) behind it. */
function stripTemplate(name: string): string {
  return name
    .trim()
    .replace(/<\|[^]*$/, '')
    .replace(/^(?:functions?|tools?|default_api)[.:/]+/i, '')
    .replace(/:\d+$/, '')
}

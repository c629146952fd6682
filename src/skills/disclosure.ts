/**
 * What models learn of skills, in three steps: names and descriptions in the system prompt, as many as fit; the body of one by
 * `skill.open`; its files when they are needed. The rest of the names is found by `skill.search`.
 */
import { headOf } from '../base/index.ts'
import { maxBodyTokens, maxFound, maxListTokens } from './limits.ts'

/** Of these texts, in one question. */
export type CountTokens = (texts: readonly string[]) => Promise<readonly number[]>

export interface Disclosed {
  readonly name: string
  readonly description: string
}

const intro = 'Skills are instructions for kinds of tasks. When a task fits one, call skill_open with its name before you begin.'
const restLine = (count: number): string => `${count} more skills are not listed: skill_search finds them by words.`

/** @returns the section of the system prompt; empty without skills */
export async function listSkills(skills: readonly Disclosed[], countTokens: CountTokens): Promise<string> {
  if (skills.length === 0) return ''
  const lines = skills.map(({ name, description }) => `- ${name}: ${description}`)
  const all = [intro, ...lines].join('\n')
  // A byte is at most one token.
  if (Buffer.byteLength(all) <= maxListTokens) return all
  const counts = await countTokens([intro, restLine(lines.length), ...lines])
  // A line end is a token of its own at worst.
  let left = maxListTokens - (counts[0] ?? 0) - (counts[1] ?? 0) - 2
  const shown = lines.filter((_, at) => (left -= (counts[at + 2] ?? 0) + 1) >= 0)
  return [intro, ...shown, ...(shown.length < lines.length ? [restLine(lines.length - shown.length)] : [])].join('\n')
}

/** Results of calls are truncated a little above this size. */
const maxBodyBytes: number = 14 * 1024

/** @returns the body as far as it may be shown at once, and the number of lines that are shown; all of them: null */
export async function shownBody(body: string, countTokens: CountTokens): Promise<{ readonly text: string; readonly lines: number | null }> {
  let text = body
  for (let tries = 0; tries < 8; tries += 1) {
    const bytes = Buffer.byteLength(text)
    const tokens = bytes <= maxBodyTokens ? bytes : ((await countTokens([text]))[0] ?? bytes)
    if (tokens <= maxBodyTokens && bytes <= maxBodyBytes) break
    const share = Math.min(maxBodyTokens / tokens, maxBodyBytes / bytes) * 0.98
    text = wholeLines(headOf(text, Math.floor(text.length * share)))
  }
  if (Buffer.byteLength(text) > maxBodyBytes) text = headOf(text, maxBodyTokens)
  return text.length === body.length ? { text, lines: null } : { text, lines: text.split('\n').length }
}

function wholeLines(text: string): string {
  const end = text.lastIndexOf('\n')
  return end > text.length / 2 ? text.slice(0, end) : text
}

/** @returns those that fit the words, the best first */
export function searchSkills<Skill extends Disclosed>(skills: readonly Skill[], query: string): readonly Skill[] {
  const words = termsOf(query).slice(0, 20)
  const scored = skills.map((skill) => {
    const names = termsOf(skill.name)
    const described = termsOf(skill.description)
    const score = words.reduce((sum, word) => sum + 3 * matchOf(names, word) + matchOf(described, word), 0)
    return { skill, score }
  })
  return scored
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, maxFound)
    .map(({ skill }) => skill)
}

const termsOf = (text: string): readonly string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

/** Words that begin alike, such as `review` and `reviews`, count half. */
function matchOf(terms: readonly string[], word: string): number {
  if (terms.includes(word)) return 1
  const isLike = (term: string): boolean => term.length > 3 && word.length > 3 && (term.startsWith(word) || word.startsWith(term))
  return terms.some(isLike) ? 0.5 : 0
}

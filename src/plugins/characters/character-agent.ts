/** What makes a character an agent: the check of its file, its prompt, and the definition that an import writes. */
import { isObject, type JsonObject, OxbowError, truncate } from '../../types/index.ts'
import { readParsed } from './read-character.ts'
import { characterPrompt } from './character-prompt.ts'
import type { Character } from './character.ts'

/** @param text of `NAME.character.json` @returns why it cannot be used; empty if it can */
export function characterProblem(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isObject(parsed)) return 'its character is no JSON object'
    const reading = readParsed(parsed)
    return reading.ok ? '' : `its character: ${reading.problems.slice(0, 3).join('; ')}`
  } catch {
    return 'its character is not valid JSON'
  }
}

/** @returns the prompt of a message, by its id. @throws OxbowError `bad_config` */
export function promptOf(file: JsonObject, variables: Readonly<Record<string, string>>): (seed: string) => string {
  const reading = readParsed(file)
  if (!reading.ok)
    throw new OxbowError('bad_config', `The character cannot be used: ${reading.problems[0]}`, { hint: 'See oxbow character check.' })
  const { character } = reading.read
  return (seed) => characterPrompt(character, { seed, variables })
}

/** @returns the name of an agent for a character: `Dr. Ada Novák` is `dr-ada-novak` */
export function agentNameOf({ name }: Pick<Character, 'name'>): string {
  const plain = name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
  return plain
    .replace(/^[^a-z]+/, '')
    .slice(0, 32)
    .replace(/-+$/, '')
}

/** A sentence by which other agents choose it. */
export function descriptionOf({ name, bio, system }: Pick<Character, 'name' | 'bio' | 'system'>): string {
  const about = (bio[0] ?? system).replaceAll('{{agentName}}', name).replaceAll('{{name}}', name).replaceAll(/\s+/g, ' ').trim()
  return truncate(about === '' ? `The character ${name}.` : `${name}: ${about}`, 300)
}

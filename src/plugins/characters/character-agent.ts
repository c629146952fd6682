/** What makes a character an agent: the check of its file, its prompt, and the definition that an import writes. */
import { isObject, isUuid, type Json, type JsonObject, OxbowError, truncate } from '../../base/index.ts'
import { readParsed } from './read-character.ts'
import { characterPrompt } from './character-prompt.ts'
import type { Character } from './character.ts'

/** @param text of `NAME.character.json` @returns why it cannot be used; empty if it can */
export function characterProblem(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isObject(parsed)) return 'its character is not a JSON object'
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
    throw new OxbowError('bad_config', `The character cannot be used: ${reading.problems[0]}`, {
      hint: '`oxbow character check FILE` says what is wrong.',
    })
  const { character } = reading.read
  return (seed) => characterPrompt(character, { seed, variables })
}

/**
 * A character as plugins of elizaOS 1.x read it, whatever form its file has. Its secrets are not in it: a plugin has those that its manifest
 * declares.
 * @returns null for a file that cannot be used
 */
export function elizaCharacter(file: JsonObject): JsonObject | null {
  const reading = readParsed(file)
  if (!reading.ok) return null
  const { id, name, username, system, bio, lore, topics, adjectives, style, messageExamples, postExamples, knowledge, plugins, templates } =
    reading.read.character
  const settings = Object.entries(reading.read.character.settings).filter(([key, value]) => key !== 'secrets' && !isHandle(value))
  return {
    ...(isUuid(id) && { id }),
    name,
    ...(username !== '' && { username }),
    ...(system !== '' && { system }),
    // 1.x has no lore.
    bio: [...bio, ...lore],
    topics,
    adjectives,
    style,
    messageExamples: messageExamples.map((messages) =>
      messages.map((each) => ({
        name: each.name,
        content: { text: each.text, ...(each.actions.length > 0 && { actions: each.actions }) },
      })),
    ),
    postExamples,
    knowledge: knowledge.flatMap((each) => (each.kind === 'text' ? [each.text] : [])),
    plugins,
    templates,
    settings: Object.fromEntries(settings),
  }
}

const isHandle = (value: Json): boolean => typeof value === 'string' && value.startsWith('[secret:')

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

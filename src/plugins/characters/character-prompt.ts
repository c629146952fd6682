/**
 * A character as a section of the system prompt of a conversation, without what it has for posts: nothing here makes any, and plugins that
 * do have the whole character. Long lists are shown in part, and placeholders get names: what is chosen follows from the
 * id of the message, so that a turn which a crash interrupted goes on with the same prompt, and a replay has it too.
 */
import { createHash } from 'node:crypto'
import { truncate } from '../../base/index.ts'
import type { Character, ExampleMessage } from './character.ts'
import { maxKnowledgeCharacters, maxNamedDocuments, maxPromptCharacters, maxSystemCharacters, maxEntryCharacters, shown } from './limits.ts'

export interface PromptOptions {
  /** Id of the message. */
  readonly seed: string
  /** Values of `${NAME}`. Names that are missing here stay as they are. */
  readonly variables?: Readonly<Record<string, string>>
}

/** What of a character the prompt needs. */
export type PromptCharacter = Pick<
  Character,
  'name' | 'system' | 'knowledge' | 'bio' | 'lore' | 'adjectives' | 'topics' | 'style' | 'messageExamples'
>

export function characterPrompt(character: PromptCharacter, { seed, variables = {} }: PromptOptions): string {
  const { name, style } = character
  const choose = createChoice(seed)
  // A person in an example must not have the name of the character.
  const own = new Set(name.toLowerCase().split(/\s+/))
  const names = choose(
    exampleNames.filter((each) => !own.has(each.toLowerCase())),
    10,
  )
  const fill = (text: string, max: number = maxEntryCharacters): string => fillIn(truncate(text, max), name, names, variables)
  const bullets = (title: string, entries: readonly string[]): string =>
    entries.length === 0 ? '' : `${title}:\n${entries.map((each) => `- ${fill(each)}`).join('\n')}`
  const conversations = choose(
    character.messageExamples.filter((messages) => messages.length > 0),
    shown.conversations,
  )
  const [adjective] = choose(character.adjectives, 1)
  const topics = choose(character.topics, shown.topics)
  const sections = [
    fill(character.system, maxSystemCharacters),
    // Before what is chosen by the message, so that prompts begin alike.
    knowledgeText(character, fill),
    bullets(`About ${name}`, choose(character.bio, shown.bio)),
    bullets('Background', choose(character.lore, shown.lore)),
    bullets(`How ${name} writes`, [...style.all, ...style.chat].slice(0, shown.style)),
    conversations.length === 0
      ? ''
      : `Conversations as examples of the style, not of what has happened:\n\n${conversations.map((messages) => exampleText(messages, fill)).join('\n\n')}`,
    topics.length === 0 ? '' : `${name} likes to talk about ${topics.map((each) => fill(each)).join(', ')}.`,
    adjective === undefined ? '' : `In this answer, ${name} is ${fill(adjective)}.`,
  ]
  return joinWithin(sections, maxPromptCharacters)
}

/** As many facts as fit, from the first on, and where the others are. Its documents are in its memory. */
function knowledgeText({ name, knowledge }: PromptCharacter, fill: (text: string, max: number) => string): string {
  const facts = knowledge.flatMap((each) => (each.kind === 'text' ? [`- ${fill(each.text, maxEntryCharacters)}`] : []))
  const documents = knowledge.flatMap((each) => (each.kind === 'text' ? [] : [truncate(each.path, 100)]))
  let left = maxKnowledgeCharacters
  const fitting = facts.filter((fact) => (left -= fact.length + 1) >= 0)
  const named = documents.slice(0, maxNamedDocuments).join(', ') + (documents.length > maxNamedDocuments ? ' and more' : '')
  const others = [...(fitting.length < facts.length ? ['more facts'] : []), ...(named === '' ? [] : [named])].join(', and ')
  const note = others === '' ? [] : [`(In memory, to be searched: ${others}.)`]
  return fitting.length + note.length === 0 ? '' : [`What ${name} knows:`, ...fitting, ...note].join('\n')
}

function exampleText(messages: readonly ExampleMessage[], fill: (text: string) => string): string {
  return messages.map(({ name, text }) => `${fill(name)}: ${fill(text)}`).join('\n')
}

/** Sections that do not fit are left out, whole. */
function joinWithin(sections: readonly string[], max: number): string {
  let left = max
  const fitting = sections.filter((section) => {
    if (section === '' || section.length + 2 > left) return false
    left -= section.length + 2
    return true
  })
  return fitting.join('\n\n')
}

const placeholder = /\{\{\s*(\w{1,40})\s*\}\}|\$\{([A-Za-z_]\w{0,127})\}/g

/** Placeholders of examples: people's names and the character's. Others stay. */
function fillIn(text: string, own: string, names: readonly string[], variables: Readonly<Record<string, string>>): string {
  if (!text.includes('{')) return text
  return text.replaceAll(placeholder, (whole, word: string | undefined, variable: string | undefined) => {
    if (variable !== undefined) return Object.hasOwn(variables, variable) ? variables[variable]! : whole
    if (word === 'agentName' || word === 'name' || word === 'char') return own
    const [, number] = /^(?:user|name)(\d{0,2})$/.exec(word ?? '') ?? []
    return number === undefined ? whole : (names[Math.max(0, Number(number) - 1) % names.length] ?? whole)
  })
}

/** Names of people in examples, as elizaOS puts random ones. */
const exampleNames = 'Ada Ben Chloe Dara Emil Fatima Goran Hana Ivo Jana Kofi Lena Mateo Nadia Omar Petra'.split(' ')

/** @returns a function that chooses entries and keeps their order; all, if there are no more than wanted */
function createChoice(seed: string): <Entry>(entries: readonly Entry[], count: number) => readonly Entry[] {
  let state = createHash('sha256').update(seed).digest().readUInt32LE()
  // Mulberry32.
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
  return (entries, count) => {
    if (entries.length <= count) return entries
    const places = entries.map((_, place) => place)
    for (let taken = 0; taken < count; taken++) {
      const other = taken + next(places.length - taken)
      ;[places[taken], places[other]] = [places[other]!, places[taken]!]
    }
    return places
      .slice(0, count)
      .toSorted((a, b) => a - b)
      .map((place) => entries[place]!)
  }
}

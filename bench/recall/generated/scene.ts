/**
 * What happens in one generated dialogue, before it is put in order: facts, changes of mind, people who are introduced, and
 * identifiers. A scene is two or three turns that belong together: mostly somebody asks, the fact is said, somebody reacts.
 */
import type { Chance } from './seeded-chance.ts'
import { identified, matters, relations, relatives, speakers } from './small-talk.ts'
import type { Topic } from './topic.ts'

export type Scene = FactScene | IntroductionScene | IdentifierScene

export interface FactScene {
  readonly scene: 'fact'
  /** Who says it, and whom it is about: the same person, or somebody close to them. */
  readonly speaker: string
  readonly about: string
  readonly topic: Topic
  readonly value: string
  /** The fact whose place it takes. */
  readonly replaces: FactScene | null
}

export interface IntroductionScene {
  readonly scene: 'introduction'
  readonly relative: Relative
}

export interface IdentifierScene {
  readonly scene: 'identifier'
  readonly speaker: string
  readonly identifier: string
  readonly line: string
}

interface Relative {
  readonly name: string
  readonly of: string
  readonly relation: string
}

export interface Cast {
  readonly pair: readonly [string, string]
  readonly relatives: readonly Relative[]
}

/** Topics on which people have several facts at once: trips, books. */
const several = new Set(['trip', 'reading', 'sport', 'dish', 'exam', 'loss'])

export function makeCast(chance: Chance): Cast {
  const [first = '', second = ''] = chance.some(speakers, 2)
  const bonds = chance.some(relations, 6)
  const names = chance.some(relatives, 6)
  return {
    pair: [first, second],
    relatives: names.map((name, i) => ({ name, of: i % 2 === 0 ? first : second, relation: bonds[i] ?? 'friend' })),
  }
}

export function makeScenes(chance: Chance, cast: Cast, topics: readonly Topic[]): Scene[] {
  const introductions = cast.relatives.map((relative): IntroductionScene => ({ scene: 'introduction', relative }))
  // Values of a topic go to different people: what they share is the subject, which is what makes it hard.
  const left = new Map(topics.map((topic) => [topic, chance.some(topic.values, topic.values.length)]))
  const value = (topic: Topic): string | null => left.get(topic)?.pop() ?? null
  const own = cast.pair.flatMap((speaker) => topics.flatMap((topic) => ownFacts(chance, speaker, topic, value)))
  const others = cast.relatives.flatMap(({ name, of }) =>
    chance.some(topics, 6).flatMap((topic) => {
      const found = value(topic)
      return found === null ? [] : [{ scene: 'fact', speaker: of, about: name, topic, value: found, replaces: null } satisfies FactScene]
    }),
  )
  return [...introductions, ...own, ...others, ...makeIdentifiers(chance, cast)]
}

function ownFacts(chance: Chance, speaker: string, topic: Topic, value: (topic: Topic) => string | null): FactScene[] {
  const first = value(topic)
  if (first === null) return []
  const fact = { scene: 'fact', speaker, about: speaker, topic, value: first, replaces: null } satisfies FactScene
  const more = topic.changed === null ? several.has(topic.name) && chance.happens(0.7) : chance.happens(0.55)
  const second = more ? value(topic) : null
  if (second === null) return [fact]
  return [fact, { ...fact, value: second, replaces: topic.changed === null ? null : fact }]
}

/** Each identifier has a twin that differs in two signs that changed places. */
function makeIdentifiers(chance: Chance, cast: Cast): IdentifierScene[] {
  const things = chance.some(matters, 16)
  const codes = Array.from({ length: 8 }, () => makeIdentifier(chance)).flatMap((code) => [code, twin(code)])
  return codes.map((identifier, i) => ({
    scene: 'identifier',
    speaker: chance.pick(cast.pair),
    identifier,
    line: chance.pick(identified).replace('{w}', things[i] ?? 'the matter'),
  }))
}

function makeIdentifier(chance: Chance): string {
  const digits = (count: number): string => Array.from({ length: count }, () => String(chance.below(10))).join('')
  const letters = (count: number): string => Array.from({ length: count }, () => chance.pick('ABCDEFGHKLMNPRSTUVWX'.split(''))).join('')
  const makers = [
    () => `${letters(3)}-${digits(5)}`,
    () => `${letters(2)}${digits(4)}`,
    () => `/home/${chance.pick(['mail', 'docs', 'scans'])}/${letters(4).toLowerCase()}_v${digits(2)}.pdf`,
    () => `${digits(3)}-${digits(4)}-${letters(1)}`,
    () => `v${digits(1)}.${digits(2)}.${digits(2)}`,
    () => `${letters(2).toLowerCase()}.${letters(4).toLowerCase()}${digits(2)}@post.example`,
  ]
  return chance.pick(makers)()
}

function twin(code: string): string {
  for (let i = code.length - 1; i > 0; i--) {
    const [before, here] = [code[i - 1] ?? '', code[i] ?? '']
    if (before !== here && /\w/.test(before) && /\w/.test(here)) return `${code.slice(0, i - 1)}${here}${before}${code.slice(i + 1)}`
  }
  return `${code}0`
}

/** Questions about what was said, each with the turns that answer it. */
import type { Question, QuestionClass, Turn } from '../dialogue.ts'
import type { Cast, FactScene, IdentifierScene, IntroductionScene, Scene } from './scene.ts'
import type { Chance } from './seeded-chance.ts'
import { anchoredAsks } from './anchored-asks.ts'
import { identifierAsks } from './small-talk.ts'
import { askedDate } from './spoken-date.ts'

/** Where a scene was said, and when what it tells of happened. */
export interface Said {
  readonly turn: Turn
  readonly eventAt: number | null
}

interface Fact extends Said {
  readonly fact: FactScene
}

/** Of a hundred and fifty. */
const shares: Readonly<Record<QuestionClass, number>> = {
  single_hop: 45,
  temporal: 30,
  multi_hop: 25,
  open_domain: 15,
  changed: 20,
  identifier: 15,
}

export function makeQuestions(chance: Chance, cast: Cast, said: ReadonlyMap<Scene, Said>, count: number): Question[] {
  const facts = [...said].flatMap(([scene, where]): Fact[] => (scene.scene === 'fact' ? [{ fact: scene, ...where }] : []))
  const pools: Record<QuestionClass, Question[]> = {
    single_hop: single(chance, facts),
    temporal: temporal(chance, facts),
    multi_hop: multiHop(chance, cast, facts, said),
    open_domain: open(facts),
    changed: changed(chance, facts),
    identifier: identifiers(chance, said),
  }
  return Object.entries(shares).flatMap(([kind, share]) => chance.some(pools[kind as QuestionClass], Math.round((count * share) / 150)))
}

/** Half of what is asked names something that was said. */
const anchored = (chance: Chance, fact: FactScene, of: 'asks' | 'changed', plain: readonly string[]): string => {
  const named = anchoredAsks[fact.topic.name]?.[of] ?? []
  return chance.pick(named.length > 0 && fact.about === fact.speaker && chance.happens(0.5) ? named : plain)
}

/** The longest word of a value: what it is remembered by. */
const keyWord = (value: string): string =>
  value.split(/[^\p{L}-]+/u).reduce((longest, word) => (word.length > longest.length ? word : longest), '')

const ask = (pattern: string, person: string): string => pattern.replaceAll('{P}', person)
const same = (a: Fact, b: Fact): boolean => a.fact.topic === b.fact.topic && a.fact.about === b.fact.about

/** Facts that are their person's only one of the kind. */
const alone = (facts: readonly Fact[]): Fact[] => facts.filter((fact) => facts.filter((each) => same(each, fact)).length === 1)

function single(chance: Chance, facts: readonly Fact[]): Question[] {
  return alone(facts).map(({ fact, turn }) => ({
    text: ask(chance.pick(fact.topic.asks), fact.about),
    kind: 'single_hop',
    evidence: [turn.id],
  }))
}

function whenPattern(chance: Chance, fact: FactScene): string {
  const named = anchoredAsks[fact.topic.name]?.when
  return named === undefined || chance.happens(0.4) ? chance.pick(fact.topic.whens) : named.replace('{k}', keyWord(fact.value))
}

function temporal(chance: Chance, facts: readonly Fact[]): Question[] {
  const dated = alone(facts).filter(({ eventAt }) => eventAt !== null)
  const whens = dated.map(({ fact, turn }): Question => ({
    text: ask(whenPattern(chance, fact), fact.about),
    kind: 'temporal',
    evidence: [turn.id],
  }))
  const onDays = dated.map(({ fact, eventAt }): Question => {
    const day = new Date(eventAt ?? 0).toDateString()
    const thatDay = dated.filter((each) => each.fact.about === fact.about && new Date(each.eventAt ?? 0).toDateString() === day)
    const pattern = chance.pick(['What happened to {P} on {when}?', 'What did {P} do on {when}?', 'What is known of {P} and {when}?'])
    const text = ask(pattern, fact.about).replace('{when}', askedDate(chance, eventAt ?? 0))
    return { text, kind: 'temporal', evidence: thatDay.map((each) => each.turn.id) }
  })
  // Most ask when something was; the others ask what was on a day.
  return [...whens, ...chance.some(onDays, Math.round(onDays.length / 2))]
}

function multiHop(chance: Chance, cast: Cast, facts: readonly Fact[], said: ReadonlyMap<Scene, Said>): Question[] {
  const first = facts.filter((fact) => facts.find((each) => same(each, fact)) === fact)
  const lists = first.flatMap((fact): Question[] => {
    const all = facts.filter((each) => same(each, fact))
    return all.length < 2
      ? []
      : [{ text: ask(chance.pick(fact.fact.topic.all), fact.fact.about), kind: 'multi_hop', evidence: all.map(({ turn }) => turn.id) }]
  })
  const both = first.flatMap((fact): Question[] => {
    if (fact.fact.about !== cast.pair[0]) return []
    const partner = alone(facts).find((each) => each.fact.topic === fact.fact.topic && each.fact.about === cast.pair[1])
    if (partner === undefined || !alone(facts).includes(fact)) return []
    return [
      {
        text: ask(chance.pick(fact.fact.topic.asks), `${cast.pair[0]} and ${cast.pair[1]}`),
        kind: 'multi_hop',
        evidence: [fact.turn.id, partner.turn.id],
      },
    ]
  })
  const introduced = [...said].flatMap(([scene, where]) => (scene.scene === 'introduction' ? [{ scene, where }] : []))
  const chains = introduced.flatMap(({ scene, where }) => chainQuestions(chance, scene, where, facts))
  return [...lists, ...both, ...chains]
}

/** Asked by the bond, said by the name: two turns are needed. */
function chainQuestions(chance: Chance, { relative }: IntroductionScene, where: Said, facts: readonly Fact[]): Question[] {
  return alone(facts)
    .filter(({ fact }) => fact.about === relative.name)
    .map(({ fact, turn }) => ({
      text: ask(chance.pick(fact.topic.asks), `${relative.of}'s ${relative.relation}`),
      kind: 'multi_hop',
      evidence: [where.turn.id, turn.id],
    }))
}

function open(facts: readonly Fact[]): Question[] {
  return alone(facts).flatMap(({ fact, turn }) =>
    fact.topic.infer.map((text): Question => ({ text: ask(text, fact.about), kind: 'open_domain', evidence: [turn.id] })),
  )
}

/** What holds now: the later turn alone answers. */
function changed(chance: Chance, facts: readonly Fact[]): Question[] {
  return facts.flatMap(({ fact, turn }) =>
    fact.replaces === null || fact.topic.changed === null
      ? []
      : fact.topic.changed.asks.map((text): Question => ({
          text: ask(anchored(chance, fact, 'changed', [text]), fact.about),
          kind: 'changed',
          evidence: [turn.id],
        })),
  )
}

function identifiers(chance: Chance, said: ReadonlyMap<Scene, Said>): Question[] {
  return [...said].flatMap(([scene, { turn }]): Question[] =>
    isIdentifier(scene)
      ? [{ text: chance.pick(identifierAsks).replace('{i}', scene.identifier), kind: 'identifier', evidence: [turn.id] }]
      : [],
  )
}

function isIdentifier(scene: Scene): scene is IdentifierScene {
  return scene.scene === 'identifier'
}

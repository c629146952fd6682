/** Questions about a lifelike dialogue, with LoCoMo's proportions of classes, and some without an answer. */
import type { Question, QuestionClass } from '../dialogue.ts'
import type { Chance } from '../generated/seeded-chance.ts'
import { type Group, groups } from './activity.ts'
import type { Answered, Fact } from './fact.ts'

/** Shares of the questions with an answer; for every 3.5 of them there is one without (adversarial). */
const shares: Readonly<Partial<Record<QuestionClass, number>>> = {
  single_hop: 0.546,
  temporal: 0.208,
  multi_hop: 0.183,
  open_domain: 0.063,
}
const unansweredShare = 446 / 1_540
/** Probability that a question uses the words of its turn. */
const plainly = 0.85
/** The same for events, and for details that were mentioned several times. */
const eventPlainly = 0.8
const manyPlainly = 0.5
/** The same for questions that need a conclusion: the topic is named. */
const inferredPlainly = 0.5
/** Maximum number of evidence turns of a question. */
const maxEvidence = 5

interface Generated {
  readonly questions: readonly Question[]
  readonly unanswered: readonly string[]
}

export function askLifelike(chance: Chance, pair: readonly [string, string], facts: readonly Fact[], count: number): Generated {
  const pools: Partial<Record<QuestionClass, readonly Question[]>> = {
    single_hop: singleHop(chance, facts),
    temporal: temporal(chance, facts),
    multi_hop: [...ofDetails(chance, facts), ...ofGroups(facts), ...ofBoth(pair, facts)],
    open_domain: inferred(chance, facts),
  }
  const questions = Object.entries(shares).flatMap(([kind, share]) =>
    chance.some(pools[kind as QuestionClass] ?? [], Math.round(count * share)),
  )
  return { questions, unanswered: chance.some(wronglyAsked(chance, pair, facts), Math.round(count * unansweredShare)) }
}

const about = (pattern: string, person: string): string => pattern.replaceAll('{S}', person)

const same = (a: Fact, b: Fact): boolean => a.speaker === b.speaker && a.activity === b.activity

function eventWords(chance: Chance, { event }: Fact): string {
  return chance.happens(eventPlainly) ? event.asked : event.loosely
}

/** All answers of a person about one detail. */
function timesAnswered(facts: readonly Fact[], one: Fact, answered: Answered): { readonly fact: Fact; readonly answer: Answered }[] {
  return facts
    .filter((each) => same(each, one))
    .flatMap((each) => each.answers.map((answer) => ({ fact: each, answer })))
    .filter(({ answer }) => answer.detail !== null && answer.detail === answered.detail)
}

function singleHop(chance: Chance, facts: readonly Fact[]): Question[] {
  return facts.flatMap((one) =>
    one.answers.flatMap((answered): Question[] => {
      const { detail, turn, kind } = answered
      if (detail !== null) {
        if (timesAnswered(facts, one, answered).length > 1) return []
        // The same question in the words of two people.
        const texts = new Set([plainly, plainly].map((share) => (chance.happens(share) ? detail.asked : detail.loosely)))
        texts.add(`According to {S}, ${detail.asked.charAt(0).toLowerCase()}${detail.asked.slice(1)}`)
        return [...texts].map((text) => ({ text: about(text, one.speaker), kind: 'single_hop', evidence: [turn.id] }))
      }
      if (kind === 'company') {
        return [{ text: `With whom did ${one.speaker} ${eventWords(chance, one)}?`, kind: 'single_hop', evidence: [turn.id] }]
      }
      const spans = facts.filter((each) => same(each, one)).flatMap((each) => each.answers.filter((answer) => answer.kind === 'span'))
      return spans.length > 1
        ? []
        : [{ text: `How long has ${one.speaker} been into ${one.activity.name}?`, kind: 'single_hop', evidence: [turn.id] }]
    }),
  )
}

function temporal(chance: Chance, facts: readonly Fact[]): Question[] {
  return facts.flatMap((one): Question[] =>
    one.turn === null ? [] : [{ text: `When did ${one.speaker} ${eventWords(chance, one)}?`, kind: 'temporal', evidence: [one.turn.id] }],
  )
}

/** Details that were mentioned several times: all answers are evidence. */
function ofDetails(chance: Chance, facts: readonly Fact[]): Question[] {
  return facts.flatMap((one) =>
    one.answers.flatMap((answered): Question[] => {
      const times = timesAnswered(facts, one, answered)
      if (answered.detail === null || times.length < 2 || times[0]?.answer !== answered) return []
      const text = about(chance.happens(manyPlainly) ? answered.detail.asked : answered.detail.loosely, one.speaker)
      return [{ text, kind: 'multi_hop', evidence: times.map(({ answer }) => answer.turn.id) }]
    }),
  )
}

function ofGroups(facts: readonly Fact[]): Question[] {
  return Object.entries(groups).flatMap(([group, pattern]) =>
    [...new Set(facts.map(({ speaker }) => speaker))].flatMap((speaker): Question[] => {
      const all = facts.filter((each) => each.speaker === speaker && each.activity.group === (group as Group))
      const evidence = all.flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
      return evidence.length < 2 || evidence.length > maxEvidence ? [] : [{ text: about(pattern, speaker), kind: 'multi_hop', evidence }]
    }),
  )
}

function ofBoth([one, other]: readonly [string, string], facts: readonly Fact[]): Question[] {
  return facts.flatMap((mine): Question[] => {
    const others = facts.filter((each) => each.speaker === other && each.activity === mine.activity)
    const evidence = [mine, ...others].flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
    if (mine.speaker !== one || others.length === 0 || facts.find((each) => same(each, mine)) !== mine || evidence.length > maxEvidence)
      return []
    return [{ text: `What have both ${one} and ${other} done with ${mine.activity.name}?`, kind: 'multi_hop', evidence }]
  })
}

function inferredText(chance: Chance, { event, speaker }: Fact, pattern: string): string {
  const text = about(pattern, speaker)
  return chance.happens(inferredPlainly) ? `${text.slice(0, -1)}, having decided to ${event.asked}?` : text
}

function inferred(chance: Chance, facts: readonly Fact[]): Question[] {
  return facts.flatMap((one): Question[] => {
    if (facts.find((each) => same(each, one)) !== one) return []
    const evidence = facts.filter((each) => same(each, one)).flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
    return one.activity.infer.map((pattern) => ({ text: inferredText(chance, one, pattern), kind: 'open_domain', evidence }))
  })
}

/** Questions about the wrong person: events of the other that this one never mentioned. */
function wronglyAsked(chance: Chance, [one, other]: readonly [string, string], facts: readonly Fact[]): string[] {
  return facts.flatMap((each) => {
    const wrong = each.speaker === one ? other : one
    if (facts.some((their) => their.speaker === wrong && their.activity === each.activity)) return []
    return [
      `When did ${wrong} ${eventWords(chance, each)}?`,
      ...each.answers.flatMap(({ detail }) => (detail === null ? [] : [about(detail.asked, wrong)])),
    ]
  })
}

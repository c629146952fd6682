/** Questions of a lifelike dialogue, in LoCoMo's proportions of classes, and some that nothing answers. */
import type { Question, QuestionClass } from '../dialogue.ts'
import type { Chance } from '../generated/seeded-chance.ts'
import { type Group, groups } from './activity.ts'
import type { Answered, Told } from './told.ts'

/** Of its questions with an answer; one more for each three and a half has none (adversarial). */
const shares: Readonly<Partial<Record<QuestionClass, number>>> = {
  single_hop: 0.546,
  temporal: 0.208,
  multi_hop: 0.183,
  open_domain: 0.063,
}
const unansweredShare = 446 / 1_540
/** How often a question has the words in which a thing was said, and not others. */
const plainly = 0.85
/** The same for what happened, and for what was said several times. */
const eventPlainly = 0.8
const manyPlainly = 0.5
/** The same for what is only to be concluded: the matter is named. */
const inferredPlainly = 0.5
/** Most turns that one question can have as evidence. */
const mostEvidence = 5

interface Asked {
  readonly questions: readonly Question[]
  readonly unanswered: readonly string[]
}

export function askLifelike(chance: Chance, pair: readonly [string, string], told: readonly Told[], count: number): Asked {
  const pools: Partial<Record<QuestionClass, readonly Question[]>> = {
    single_hop: singleHop(chance, told),
    temporal: temporal(chance, told),
    multi_hop: [...ofDetails(chance, told), ...ofGroups(told), ...ofBoth(pair, told)],
    open_domain: inferred(chance, told),
  }
  const questions = Object.entries(shares).flatMap(([kind, share]) =>
    chance.some(pools[kind as QuestionClass] ?? [], Math.round(count * share)),
  )
  return { questions, unanswered: chance.some(wronglyAsked(chance, pair, told), Math.round(count * unansweredShare)) }
}

const about = (pattern: string, person: string): string => pattern.replaceAll('{S}', person)

const same = (a: Told, b: Told): boolean => a.speaker === b.speaker && a.activity === b.activity

function eventWords(chance: Chance, { event }: Told): string {
  return chance.happens(eventPlainly) ? event.asked : event.loosely
}

/** Every time that somebody was asked for a detail. */
function timesAnswered(told: readonly Told[], one: Told, answered: Answered): { readonly told: Told; readonly answer: Answered }[] {
  return told
    .filter((each) => same(each, one))
    .flatMap((each) => each.answers.map((answer) => ({ told: each, answer })))
    .filter(({ answer }) => answer.detail !== null && answer.detail === answered.detail)
}

function singleHop(chance: Chance, told: readonly Told[]): Question[] {
  return told.flatMap((one) =>
    one.answers.flatMap((answered): Question[] => {
      const { detail, turn, kind } = answered
      if (detail !== null) {
        if (timesAnswered(told, one, answered).length > 1) return []
        // Two people ask the same thing, each in words of their own.
        const texts = new Set([plainly, plainly].map((share) => (chance.happens(share) ? detail.asked : detail.loosely)))
        texts.add(`According to {S}, ${detail.asked.charAt(0).toLowerCase()}${detail.asked.slice(1)}`)
        return [...texts].map((text) => ({ text: about(text, one.speaker), kind: 'single_hop', evidence: [turn.id] }))
      }
      if (kind === 'company') {
        return [{ text: `With whom did ${one.speaker} ${eventWords(chance, one)}?`, kind: 'single_hop', evidence: [turn.id] }]
      }
      const spans = told.filter((each) => same(each, one)).flatMap((each) => each.answers.filter((answer) => answer.kind === 'span'))
      return spans.length > 1
        ? []
        : [{ text: `How long has ${one.speaker} been into ${one.activity.name}?`, kind: 'single_hop', evidence: [turn.id] }]
    }),
  )
}

function temporal(chance: Chance, told: readonly Told[]): Question[] {
  return told.flatMap((one): Question[] =>
    one.turn === null ? [] : [{ text: `When did ${one.speaker} ${eventWords(chance, one)}?`, kind: 'temporal', evidence: [one.turn.id] }],
  )
}

/** What was asked for several times: all answers. */
function ofDetails(chance: Chance, told: readonly Told[]): Question[] {
  return told.flatMap((one) =>
    one.answers.flatMap((answered): Question[] => {
      const times = timesAnswered(told, one, answered)
      if (answered.detail === null || times.length < 2 || times[0]?.answer !== answered) return []
      const text = about(chance.happens(manyPlainly) ? answered.detail.asked : answered.detail.loosely, one.speaker)
      return [{ text, kind: 'multi_hop', evidence: times.map(({ answer }) => answer.turn.id) }]
    }),
  )
}

function ofGroups(told: readonly Told[]): Question[] {
  return Object.entries(groups).flatMap(([group, pattern]) =>
    [...new Set(told.map(({ speaker }) => speaker))].flatMap((speaker): Question[] => {
      const all = told.filter((each) => each.speaker === speaker && each.activity.group === (group as Group))
      const evidence = all.flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
      return evidence.length < 2 || evidence.length > mostEvidence ? [] : [{ text: about(pattern, speaker), kind: 'multi_hop', evidence }]
    }),
  )
}

function ofBoth([one, other]: readonly [string, string], told: readonly Told[]): Question[] {
  return told.flatMap((mine): Question[] => {
    const others = told.filter((each) => each.speaker === other && each.activity === mine.activity)
    const evidence = [mine, ...others].flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
    if (mine.speaker !== one || others.length === 0 || told.find((each) => same(each, mine)) !== mine || evidence.length > mostEvidence)
      return []
    return [{ text: `What have both ${one} and ${other} done with ${mine.activity.name}?`, kind: 'multi_hop', evidence }]
  })
}

function inferredText(chance: Chance, { event, speaker }: Told, pattern: string): string {
  const text = about(pattern, speaker)
  return chance.happens(inferredPlainly) ? `${text.slice(0, -1)}, having decided to ${event.asked}?` : text
}

function inferred(chance: Chance, told: readonly Told[]): Question[] {
  return told.flatMap((one): Question[] => {
    if (told.find((each) => same(each, one)) !== one) return []
    const evidence = told.filter((each) => same(each, one)).flatMap(({ turn }) => (turn === null ? [] : [turn.id]))
    return one.activity.infer.map((pattern) => ({ text: inferredText(chance, one, pattern), kind: 'open_domain', evidence }))
  })
}

/** Asked of the wrong one of the two: what the other did, and this one never told of. */
function wronglyAsked(chance: Chance, [one, other]: readonly [string, string], told: readonly Told[]): string[] {
  return told.flatMap((each) => {
    const wrong = each.speaker === one ? other : one
    if (told.some((their) => their.speaker === wrong && their.activity === each.activity)) return []
    return [
      `When did ${wrong} ${eventWords(chance, each)}?`,
      ...each.answers.flatMap(({ detail }) => (detail === null ? [] : [about(detail.asked, wrong)])),
    ]
  })
}

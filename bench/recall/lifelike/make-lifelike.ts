/**
 * Makes dialogues as difficult as LoCoMo, as its paper describes it: two people, about 27 sessions with dates and 600 turns, threads of
 * several turns about events, and questions in its proportions of classes that mostly share their rarer words with the first turn of a
 * thread. The probabilities were chosen so that the simple baselines (see simple-means.ts) score here as on LoCoMo itself, without looking
 * at the results of Oxbow's own recall.
 */
import type { Dialogue, Turn } from '../dialogue.ts'
import { type Chance, seededChance } from '../generated/seeded-chance.ts'
import { dayMs, spokenDate } from '../generated/spoken-date.ts'
import { activeActivities } from './activities-active.ts'
import { artActivities } from './activities-art.ts'
import { lifeActivities } from './activities-life.ts'
import type { Activity, Detail } from './activity.ts'
import { askLifelike } from './ask-lifelike.ts'
import * as talk from './talk.ts'
import type { Fact } from './fact.ts'

const activities: readonly Activity[] = [...artActivities, ...activeActivities, ...lifeActivities]

const sittings = 27
const activitiesEach = 17
/** Probability that a turn mentions an unrelated event. */
const wanders = 0.2
const turnMs = 60_000
/** Probability that a question of the other names the topic, and that an answer does. */
const asksByName = 0.75
const restated = 0.9
const firstDay = Date.UTC(2023, 0, 12, 19)

type Say = (speaker: string, text: string) => Turn

export function generateLifelike(
  seed: number,
  { dialogues, questionsPerDialogue }: { readonly dialogues: number; readonly questionsPerDialogue: number },
): Dialogue[] {
  return Array.from({ length: dialogues }, (_, i) =>
    makeDialogue(seededChance(seed * 7_919 + i + 500_000), `lifelike ${seed}.${i + 1}`, questionsPerDialogue),
  )
}

function makeDialogue(chance: Chance, name: string, count: number): Dialogue {
  const pair = chance.some(talk.people, 2) as unknown as readonly [string, string]
  const facts = pair.flatMap((speaker) => factsOf(chance, speaker))
  const placed = placeAll(chance, facts)
  const turns: Turn[] = []
  const values = new Map<Detail, string[]>()
  let day = firstDay + chance.below(40) * dayMs
  for (const [index, list] of placed.entries()) {
    day += (3 + chance.below(12)) * dayMs
    let turnNumber = 0
    const say: Say = (speaker, spoken) => {
      turnNumber += 1
      const text = chance.happens(wanders) ? `${spoken} ${aside(chance)}` : spoken
      const turn = { id: `D${index + 1}:${turnNumber}`, speaker, text, at: day + turnNumber * turnMs, sitting: index + 1 }
      turns.push(turn)
      return turn
    }
    sit(chance, pair, list, { say, values, day })
  }
  return { name, turns, ...askLifelike(chance, pair, facts, count) }
}

function factsOf(chance: Chance, speaker: string): Fact[] {
  return chance
    .some(activities, activitiesEach)
    .flatMap((activity) =>
      chance.some(activity.events, 1 + chance.below(3)).map((event) => ({ speaker, activity, event, turn: null, answers: [] })),
    )
}

function placeAll(chance: Chance, facts: readonly Fact[]): Fact[][] {
  const placed: Fact[][] = Array.from({ length: sittings }, () => [])
  for (const each of chance.some(facts, facts.length)) {
    const least = Math.min(...placed.map((list) => list.length))
    chance.pick(placed.filter((list) => list.length === least)).push(each)
  }
  return placed
}

interface Sitting {
  readonly say: Say
  /** Unused values of each detail. */
  readonly values: Map<Detail, string[]>
  readonly day: number
}

function sit(chance: Chance, pair: readonly [string, string], list: readonly Fact[], sitting: Sitting): void {
  const { say } = sitting
  const [first, second] = chance.some(pair, 2) as unknown as readonly [string, string]
  say(first, named(chance.pick(talk.greetings), second))
  say(second, named(chance.pick(talk.answers), first))
  for (const fact of list) {
    if (chance.happens(0.4)) chat(chance, first, second, say)
    tell(chance, fact, pair[0] === fact.speaker ? pair[1] : pair[0], sitting)
  }
  say(first, named(chance.pick(talk.closings), second))
  say(second, named(chance.pick(talk.closings), first))
}

function chat(chance: Chance, first: string, second: string, say: Say): void {
  const [ask, answer] = chance.pick(talk.chats)
  say(first, ask)
  say(second, `${named(answer, first)} ${chance.pick(talk.remarks)}`)
}

/** A thread: the event, questions of the other, and remarks of both. */
function tell(chance: Chance, fact: Fact, other: string, sitting: Sitting): void {
  const { say, day } = sitting
  const { speaker, activity } = fact
  const when = chance.happens(0.6) ? ` ${chance.happens(0.5) ? chance.pick(talk.pastTimes) : spokenDate(chance, day).text}` : ''
  const details = chance.some(activity.details, chance.happens(0.35) ? 1 : 2)
  const tail = (list: readonly string[], share: number): string => (chance.happens(share) ? ` ${chance.pick(list)}` : '')
  // Sometimes the other mentions it first.
  if (chance.happens(0.06)) {
    fact.turn = say(
      other,
      `${speaker}, I heard that you ${fact.event.said.replaceAll(/\bmy\b/g, 'your')}${when}! ${leadOf(chance, details[0])}`,
    )
  } else {
    fact.turn = say(
      speaker,
      `${named(chance.pick(talk.news), other)} I ${fact.event.said}${when}.${tail(talk.feelings, 0.8)}${tail(talk.remarks, 0.7)}`.trim(),
    )
    say(other, `${named(chance.pick(talk.reactions), speaker)}${tail(talk.remarks, 0.5)} ${leadOf(chance, details[0])}`)
  }
  for (const [i, each] of details.entries()) {
    if (i > 0) say(other, `${named(chance.pick(talk.reactions), speaker)} ${leadOf(chance, each)}`)
    const value = valueOf(chance, each, sitting.values)
    const plain = each.said.replace('{v}', value)
    const full = chance.happens(restated) ? chance.pick(talk.restatements).replace('{m}', each.matter).replace('{a}', plain) : plain
    const text = `${full}${tail(talk.feelings, 0.7)}${tail(talk.remarks, 0.7)}`
    fact.answers.push({ kind: 'detail', detail: each, turn: say(speaker, text.charAt(0).toUpperCase() + text.slice(1)) })
  }
  if (chance.happens(0.5)) more(chance, fact, other, say)
  if (chance.happens(0.75))
    say(other, `${named(chance.pick(talk.musings), speaker).replace('{n}', activity.name)}${tail(talk.remarks, 0.3)}`)
  if (chance.happens(0.6))
    say(speaker, `${named(chance.pick(talk.devotions), other).replace('{n}', activity.name)}${tail(talk.feelings, 0.4)}`)
}

function more(chance: Chance, fact: Fact, other: string, say: Say): void {
  const { speaker } = fact
  if (chance.happens(0.5)) {
    say(other, `${named(chance.pick(talk.reactions), speaker)} Who were you with?`)
    const statement = chance.happens(restated) ? `I ${fact.event.said}` : 'I was there'
    const turn = say(speaker, `${statement} with ${chance.pick(talk.companions)}. ${chance.pick(talk.feelings)}`)
    fact.answers.push({ kind: 'company', detail: null, turn })
    return
  }
  say(other, `${named(chance.pick(talk.reactions), speaker)} How long have you been into that?`)
  const turn = say(
    speaker,
    `It has been ${chance.pick(talk.spans)}${chance.happens(restated) ? ` of ${fact.activity.name}` : ''} now. ${chance.pick(talk.remarks)}`,
  )
  fact.answers.push({ kind: 'span', detail: null, turn })
}

/** Puts words of one topic into turns about others. */
function aside(chance: Chance): string {
  const { events } = chance.pick(activities)
  return chance.pick(talk.asides).replace('{e}', chance.pick(events).said.replaceAll(/\bmy\b/g, 'the'))
}

function leadOf(chance: Chance, asked: Detail | undefined): string {
  if (asked === undefined) return ''
  const matter = asked.matter.replaceAll(/\bmy\b/g, 'your').replaceAll(/\bme\b|\bI\b/g, 'you')
  return chance.happens(asksByName) ? chance.pick(talk.namedLeads).replace('{m}', matter) : asked.lead
}

function valueOf(chance: Chance, detail: Detail, left: Map<Detail, string[]>): string {
  const values = left.get(detail) ?? chance.some(detail.values, detail.values.length)
  left.set(detail, values)
  return values.pop() ?? chance.pick(detail.values)
}

function named(text: string, other: string): string {
  return text.replaceAll('{O}', other)
}

/**
 * Makes dialogues that are hard and easy in the way LoCoMo is, as its paper describes it: two people, some twenty-seven sittings with
 * dates and six hundred turns, threads of several turns about what each did, questions that mostly share their rarer words with the
 * turn that began a thread, in its proportions of classes. How often they do was set so that plain means (see simple-means.ts) reach
 * here what they reached on LoCoMo itself; nothing of it was set by what our own recall finds.
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
import type { Told } from './told.ts'

const activities: readonly Activity[] = [...artActivities, ...activeActivities, ...lifeActivities]

const sittings = 27
const activitiesEach = 17
/** How often a turn wanders off to what somebody else did. */
const wanders = 0.2
const turnMs = 60_000
/** How often a question of the other names the matter, and how often an answer does. */
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
  const told = pair.flatMap((speaker) => toldBy(chance, speaker))
  const placed = placeAll(chance, told)
  const turns: Turn[] = []
  const values = new Map<Detail, string[]>()
  let day = firstDay + chance.below(40) * dayMs
  for (const [index, list] of placed.entries()) {
    day += (3 + chance.below(12)) * dayMs
    let said = 0
    const say: Say = (speaker, spoken) => {
      said += 1
      const text = chance.happens(wanders) ? `${spoken} ${aside(chance)}` : spoken
      const turn = { id: `D${index + 1}:${said}`, speaker, text, at: day + said * turnMs, sitting: index + 1 }
      turns.push(turn)
      return turn
    }
    sit(chance, pair, list, { say, values, day })
  }
  return { name, turns, ...askLifelike(chance, pair, told, count) }
}

function toldBy(chance: Chance, speaker: string): Told[] {
  return chance
    .some(activities, activitiesEach)
    .flatMap((activity) =>
      chance.some(activity.events, 1 + chance.below(3)).map((event) => ({ speaker, activity, event, turn: null, answers: [] })),
    )
}

function placeAll(chance: Chance, told: readonly Told[]): Told[][] {
  const placed: Told[][] = Array.from({ length: sittings }, () => [])
  for (const each of chance.some(told, told.length)) {
    const least = Math.min(...placed.map((list) => list.length))
    chance.pick(placed.filter((list) => list.length === least)).push(each)
  }
  return placed
}

interface Sitting {
  readonly say: Say
  /** Values of a detail that nobody has yet. */
  readonly values: Map<Detail, string[]>
  readonly day: number
}

function sit(chance: Chance, pair: readonly [string, string], list: readonly Told[], sitting: Sitting): void {
  const { say } = sitting
  const [first, second] = chance.some(pair, 2) as unknown as readonly [string, string]
  say(first, named(chance.pick(talk.greetings), second))
  say(second, named(chance.pick(talk.answers), first))
  for (const told of list) {
    if (chance.happens(0.4)) chat(chance, first, second, say)
    tell(chance, told, pair[0] === told.speaker ? pair[1] : pair[0], sitting)
  }
  say(first, named(chance.pick(talk.closings), second))
  say(second, named(chance.pick(talk.closings), first))
}

function chat(chance: Chance, first: string, second: string, say: Say): void {
  const [ask, answer] = chance.pick(talk.chats)
  say(first, ask)
  say(second, `${named(answer, first)} ${chance.pick(talk.remarks)}`)
}

/** A thread: the event, what the other asks about it, and what both think. */
function tell(chance: Chance, told: Told, other: string, sitting: Sitting): void {
  const { say, day } = sitting
  const { speaker, activity } = told
  const when = chance.happens(0.6) ? ` ${chance.happens(0.5) ? chance.pick(talk.pastTimes) : spokenDate(chance, day).text}` : ''
  const details = chance.some(activity.details, chance.happens(0.35) ? 1 : 2)
  const tail = (list: readonly string[], share: number): string => (chance.happens(share) ? ` ${chance.pick(list)}` : '')
  // Now and then the other has heard of it, and tells it.
  if (chance.happens(0.06)) {
    told.turn = say(
      other,
      `${speaker}, I heard that you ${told.event.said.replaceAll(/\bmy\b/g, 'your')}${when}! ${leadOf(chance, details[0])}`,
    )
  } else {
    told.turn = say(
      speaker,
      `${named(chance.pick(talk.news), other)} I ${told.event.said}${when}.${tail(talk.feelings, 0.8)}${tail(talk.remarks, 0.7)}`.trim(),
    )
    say(other, `${named(chance.pick(talk.reactions), speaker)}${tail(talk.remarks, 0.5)} ${leadOf(chance, details[0])}`)
  }
  for (const [i, each] of details.entries()) {
    if (i > 0) say(other, `${named(chance.pick(talk.reactions), speaker)} ${leadOf(chance, each)}`)
    const value = valueOf(chance, each, sitting.values)
    const plain = each.said.replace('{v}', value)
    const full = chance.happens(restated) ? chance.pick(talk.restatements).replace('{m}', each.matter).replace('{a}', plain) : plain
    const text = `${full}${tail(talk.feelings, 0.7)}${tail(talk.remarks, 0.7)}`
    told.answers.push({ kind: 'detail', detail: each, turn: say(speaker, text.charAt(0).toUpperCase() + text.slice(1)) })
  }
  if (chance.happens(0.5)) more(chance, told, other, say)
  if (chance.happens(0.75))
    say(other, `${named(chance.pick(talk.musings), speaker).replace('{n}', activity.name)}${tail(talk.remarks, 0.3)}`)
  if (chance.happens(0.6))
    say(speaker, `${named(chance.pick(talk.devotions), other).replace('{n}', activity.name)}${tail(talk.feelings, 0.4)}`)
}

function more(chance: Chance, told: Told, other: string, say: Say): void {
  const { speaker } = told
  if (chance.happens(0.5)) {
    say(other, `${named(chance.pick(talk.reactions), speaker)} Who were you with?`)
    const said = chance.happens(restated) ? `I ${told.event.said}` : 'I was there'
    const turn = say(speaker, `${said} with ${chance.pick(talk.companions)}. ${chance.pick(talk.feelings)}`)
    told.answers.push({ kind: 'company', detail: null, turn })
    return
  }
  say(other, `${named(chance.pick(talk.reactions), speaker)} How long have you been into that?`)
  const turn = say(
    speaker,
    `It has been ${chance.pick(talk.spans)}${chance.happens(restated) ? ` of ${told.activity.name}` : ''} now. ${chance.pick(talk.remarks)}`,
  )
  told.answers.push({ kind: 'span', detail: null, turn })
}

/** The words of one matter stand in turns about others, too. */
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

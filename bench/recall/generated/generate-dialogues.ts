/**
 * Makes dialogues of the kind that LoCoMo has: two people who talk for months, in sittings, about themselves and others. The same
 * seed makes the same dialogues. Questions are asked in other words than the answers were said in; both speakers and their
 * relatives have something of the same kind; later turns correct earlier ones; answers repeat words of what they answer.
 * Parameters of recall are chosen on one seed and reported on others.
 */
import type { Dialogue, Turn } from '../dialogue.ts'
import { makeQuestions, type Said } from './make-questions.ts'
import { type FactScene, makeCast, makeScenes, type Cast, type Scene } from './scene.ts'
import { seededChance, type Chance } from './seeded-chance.ts'
import { closers, echoes, openers, remarks, replies } from './small-talk.ts'
import { dayMs, spokenDate } from './spoken-date.ts'
import type { Topic } from './topic.ts'
import { homeTopics } from './topics-home.ts'
import { leisureTopics } from './topics-leisure.ts'
import { workTopics } from './topics-work.ts'

const topics: readonly Topic[] = [...homeTopics, ...workTopics, ...leisureTopics]

const sittings = 24
const turnsPerSitting = 25
/** People take about a minute for a turn. */
const turnMs = 60_000
const firstDay = Date.UTC(2023, 0, 9, 18)

export interface Size {
  readonly dialogues: number
  readonly questionsPerDialogue: number
}

export function generateDialogues(
  seed: number,
  { dialogues, questionsPerDialogue }: Size = { dialogues: 10, questionsPerDialogue: 150 },
): Dialogue[] {
  return Array.from({ length: dialogues }, (_, i) =>
    makeDialogue(seededChance(seed * 1_000 + i), `generated ${seed}.${i + 1}`, questionsPerDialogue),
  )
}

/** A turn that has no place yet. */
interface Line {
  readonly speaker: string
  readonly text: string
  readonly scene: Scene | null
  /** When what it tells of happened. */
  readonly eventAt: number | null
}

function makeDialogue(chance: Chance, name: string, questions: number): Dialogue {
  const cast = makeCast(chance)
  const days = sittingDays(chance)
  const turns: Turn[] = []
  const said = new Map<Scene, Said>()
  for (const [sitting, scenes] of placeScenes(chance, makeScenes(chance, cast, topics)).entries()) {
    const day = days[sitting] ?? firstDay
    for (const [i, line] of sittingLines(chance, cast, scenes, day).entries()) {
      const turn = { id: `D${sitting + 1}:${i + 1}`, speaker: line.speaker, text: line.text, at: day + i * turnMs, sitting: sitting + 1 }
      turns.push(turn)
      if (line.scene !== null) said.set(line.scene, { turn, eventAt: line.eventAt })
    }
  }
  return { name, turns, questions: makeQuestions(chance, cast, said, questions) }
}

function sittingDays(chance: Chance): number[] {
  let at = firstDay + chance.below(60) * dayMs
  return Array.from({ length: sittings }, () => (at += (4 + chance.below(11)) * dayMs))
}

/** Introductions come early, and what replaces a fact comes in a later sitting than the fact. */
function placeScenes(chance: Chance, scenes: readonly Scene[]): Scene[][] {
  const placed: Scene[][] = Array.from({ length: sittings }, () => [])
  const sittingOf = new Map<Scene, number>()
  for (const scene of scenes) {
    const earliest = scene.scene === 'fact' && scene.replaces !== null ? (sittingOf.get(scene.replaces) ?? 0) + 1 : 0
    const latest =
      scene.scene === 'introduction'
        ? 5
        : scene.scene === 'fact' && scene.topic.changed !== null && scene.replaces === null
          ? sittings - 4
          : sittings
    const free = placed.map((_, i) => i).filter((i) => i >= earliest && i < latest && (placed[i]?.length ?? 0) < 7)
    if (free.length === 0) continue
    const sitting = chance.pick(free)
    sittingOf.set(scene, sitting)
    placed[sitting]?.push(scene)
  }
  return placed.map((list) => chance.some(list, list.length))
}

function sittingLines(chance: Chance, cast: Cast, scenes: readonly Scene[], day: number): Line[] {
  const blocks = scenes.map((scene) => sceneLines(chance, cast, scene, day))
  let count = blocks.reduce((sum, block) => sum + block.length, 0)
  while (count < turnsPerSitting) {
    blocks.splice(chance.below(blocks.length + 1), 0, [smallTalk(chance, cast)])
    count += 1
  }
  return blocks.flat().slice(0, Math.max(turnsPerSitting, count))
}

const other = (cast: Cast, speaker: string): string => (cast.pair[0] === speaker ? cast.pair[1] : cast.pair[0])
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function sceneLines(chance: Chance, cast: Cast, scene: Scene, day: number): Line[] {
  const speaker = scene.scene === 'introduction' ? scene.relative.of : scene.speaker
  const plain = (who: string, text: string): Line => ({ speaker: who, text: sentence(text), scene: null, eventAt: null })
  if (scene.scene === 'introduction') {
    const { name, relation } = scene.relative
    const lines = [
      `My ${relation} ${name} says hello.`,
      `Did I ever mention ${name}? That is my ${relation}.`,
      `${name} dropped by, you know, my ${relation}.`,
    ]
    return [{ ...plain(speaker, chance.pick(lines)), scene }, plain(other(cast, speaker), chance.pick(replies))]
  }
  if (scene.scene === 'identifier') {
    return [{ ...plain(speaker, scene.line.replace('{i}', scene.identifier)), scene }]
  }
  const date = spokenDate(chance, day)
  const lead = chance.happens(0.5) && scene.about === speaker && scene.replaces === null
  const patterns =
    scene.about !== speaker
      ? scene.topic.other
      : scene.replaces !== null
        ? (scene.topic.changed?.said ?? [])
        : lead
          ? scene.topic.brief
          : scene.topic.said
  const text = fill(chance.pick(patterns), { v: scene.value, p: scene.about, ago: date.text }).replace('since on ', 'since ')
  const more = chance.happens(0.3) ? ` ${sentence(chance.pick(remarks))}.` : ''
  const dated = scene.about === speaker && scene.replaces === null
  const fact: Line = { speaker, text: sentence(text) + more, scene, eventAt: dated ? date.at : null }
  return [
    ...(lead ? [plain(other(cast, speaker), chance.pick(scene.topic.lead))] : []),
    fact,
    plain(other(cast, speaker), reaction(chance, scene, speaker)),
  ]
}

function reaction(chance: Chance, scene: FactScene, speaker: string): string {
  const text = fill(chance.pick(chance.happens(0.35) ? echoes : replies), { v: scene.value })
  return chance.happens(0.25) ? `${speaker}! ${text}` : text
}

function smallTalk(chance: Chance, cast: Cast): Line {
  const speaker = chance.pick(cast.pair)
  const text = chance.happens(0.45)
    ? chance.pick(chance.pick(topics).chatter)
    : `${chance.pick(openers)}, ${chance.pick(remarks)}. ${chance.pick(closers)}`.trim()
  const named = chance.happens(0.2) ? `${other(cast, speaker)}, ` : ''
  return { speaker, text: named + (named === '' ? sentence(text) : text), scene: null, eventAt: null }
}

function fill(pattern: string, values: Readonly<Record<string, string>>): string {
  return pattern.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}

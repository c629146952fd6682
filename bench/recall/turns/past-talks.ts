/** An older past besides the facts that are asked for: how other people told of their lives, or how somebody worked with an assistant. */
import { generateLifelike } from '../lifelike/make-lifelike.ts'

/** Other dialogues than those by which recall was chosen. */
const seed = 21
const dialogues = 9

/** Talks about lives like the one that is asked about, so that much of it is near any question. @param size in passages */
export function pastLives(size: number): readonly (readonly string[])[] {
  const talks: string[][] = []
  let sitting = ''
  let left = size
  for (const dialogue of generateLifelike(seed, { dialogues, questionsPerDialogue: 1 })) {
    for (const turn of dialogue.turns) {
      if (left <= 0) return talks
      left -= 1
      const next = `${dialogue.name} ${turn.sitting}`
      if (next !== sitting) talks.push([])
      sitting = next
      talks.at(-1)?.push(turn.text)
    }
  }
  return talks
}

const modules =
  'parser router cache login checkout search upload export import scheduler mailer billing profile editor viewer report'.split(' ')
const files = 'index main utils config types routes store helpers schema worker'.split(' ')
const work: readonly (readonly [ask: string, answer: string])[] = [
  ['fix the failing test in the MODULE', 'The test of the MODULE passes: FILE.ts read the list twice.'],
  ['list the files of the MODULE', 'The MODULE has FILE.ts and FILE.test.ts.'],
  ['write a function that sorts the entries of the MODULE', 'I added sortEntries to FILE.ts of the MODULE.'],
  ['Why is the MODULE so slow?', 'FILE.ts of the MODULE reads every row; an index would help.'],
  ['rename FILE.ts of the MODULE', 'Renamed, and the imports of the MODULE follow.'],
  ['add a unit test for the MODULE', 'FILE.test.ts of the MODULE has a new test for empty input.'],
  ['explain how the MODULE works', 'The MODULE begins in FILE.ts, which calls the others in turn.'],
  ['make the button of the MODULE blue', 'The button of the MODULE is blue now; the color is in FILE.css.'],
]

/** Commands and what was done. @param size in passages */
export function pastWork(size: number): readonly (readonly string[])[] {
  const fill = (text: string, n: number): string =>
    text
      .replaceAll('MODULE', modules[n % modules.length] ?? '')
      .replaceAll('FILE', files[Math.floor(n / modules.length) % files.length] ?? '')
  return Array.from({ length: Math.ceil(size / 2) }, (_, n) =>
    work[Math.floor(n / (modules.length * files.length)) % work.length]!.map((text) => fill(text, n)),
  )
}

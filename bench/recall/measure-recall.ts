/** Quality of recall, compared with its parts and with simple baselines, on two generated data sets. */
import { createLocalTextEngine, type TextEngine, type TextEngineOptions } from '../../src/memory/index.ts'
import type { Measure } from '../measure.ts'
import { type Dialogue, questionClasses } from './dialogue.ts'
import { generateDialogues } from './generated/generate-dialogues.ts'
import { indexDialogue } from './indexed-dialogue.ts'
import { generateLifelike } from './lifelike/make-lifelike.ts'
import { handwrittenDialogue } from './handwritten/read-written.ts'
import { readLocomoFile } from './locomo-file.ts'
import { createRankings, type RankingName, rankingNames } from './rankings.ts'
import { createTally, depths, type RecallScore, type Tally } from './recall-score.ts'
import { createPlainRankings, plainNames, type PlainName } from './simple-means.ts'
import { simulatedName, simulateEmbedder } from './simulated-embedder.ts'
import { bounded, type Row, shown } from '../report.ts'

/** Parameters were chosen on seed 1 alone. */
const reportedSeed = 7
/** As in LoCoMo, without questions that have no answer. */
const questionsPerDialogue = 154
/** Time limit for one data set; the report says how many questions were reached. */
const maxSeconds = 300
/** A given file has no time limit, because published results include all of its questions. */
const maxFileSeconds = 3_600
const dayMs = 86_400_000
/** Noise with which the simulated embedder alone finds about three quarters at 10. */
const strongNoise = { hard: 2.4, lifelike: 3.4 }
const mostStrongDialogues = 4

type Name = RankingName | PlainName
type Tallies = Readonly<Record<Name, Tally>>

const names: readonly Name[] = [...plainNames, ...rankingNames]

export const recall: Measure = {
  name: 'recall',
  title: 'What recall finds',
  how: `Share of the evidence turns among the first 1, 5, 10 and 20 results, one memory for each dialogue, built-in table of words, or what \`--embedder NAME\` names. Two generators (seed ${reportedSeed}; parameters were chosen on another): \`hard\`, in which half of the questions share no word with their answer, and \`lifelike\`, in which plain means find what they find on LoCoMo (R@10 0.70); 180 turns written by hand, by which nothing was chosen; the generated sets again with a simulated strong embedder; or a file by \`--locomo PATH\`. "Simple means" are BM25 with the turn before (0.7) and mean word vectors with both neighbours (0.3), outside of the product.`,
  async run({ plan, locomo, embedder }) {
    const size = { dialogues: plan.recallDialogues, questionsPerDialogue }
    if (locomo !== null) {
      const { dialogues, leftOut } = readLocomoFile(locomo)
      const without = shown('file: questions left out', String(leftOut), 'adversarial, or with evidence that is not there')
      return [without, ...(await measureSet('file', dialogues, { embedder, maxSeconds: maxFileSeconds }))]
    }
    const rows: Row[] = []
    const generated = { hard: generateDialogues, lifelike: generateLifelike }
    for (const [set, generate] of Object.entries(generated))
      rows.push(...(await measureSet(set, generate(reportedSeed, size), { embedder, maxSeconds })))
    rows.push(...(await measureSet('handwritten', [handwrittenDialogue()], { embedder, maxSeconds })))
    for (const [set, generate] of Object.entries(generated)) {
      const dialogues = generate(reportedSeed, { ...size, dialogues: Math.min(size.dialogues, mostStrongDialogues) })
      const service = simulateEmbedder(dialogues, reportedSeed, strongNoise[set as keyof typeof strongNoise])
      rows.push(...(await measureSet(`${set}, strong embedder`, dialogues, { embedder: simulatedName, service, maxSeconds })))
    }
    return rows
  },
}

interface Asking {
  readonly embedder: string
  readonly service?: NonNullable<TextEngineOptions['service']>
  readonly maxSeconds: number
}

async function measureSet(set: string, dialogues: readonly Dialogue[], asking: Asking): Promise<Row[]> {
  const { tallies, asked } = await askAll(dialogues, asking)
  const all = dialogues.reduce((sum, { questions }) => sum + questions.length, 0)
  return [
    shown(
      `${set}: questions`,
      String(asked),
      asked < all ? `of ${all}: stopped after ${asking.maxSeconds} s` : `${dialogues.length} dialogues`,
    ),
    ...names.map((name) =>
      shown(`${set}: ${name}, R@1, 5, 10, 20`, numbers(tallies[name].score()), `MRR ${part(tallies[name].score().mrr)}`),
    ),
    ...beatsRows(set, tallies),
    ...classRows(set, tallies),
  ]
}

async function askAll(
  dialogues: readonly Dialogue[],
  { maxSeconds: most, ...engine }: Asking,
): Promise<{ tallies: Tallies; asked: number }> {
  const tallies = Object.fromEntries(names.map((name) => [name, createTally()])) as unknown as Tallies
  const text = createLocalTextEngine(engine)
  const until = performance.now() + most * 1_000
  let asked = 0
  try {
    for (const dialogue of dialogues) {
      if (performance.now() > until) break
      asked += await askDialogue(dialogue, text, tallies, until)
    }
  } finally {
    await text.close()
  }
  return { tallies, asked }
}

async function askDialogue(dialogue: Dialogue, text: TextEngine, tallies: Tallies, until: number): Promise<number> {
  const plain = await createPlainRankings(dialogue, text)
  const store = await indexDialogue(dialogue, text)
  let asked = 0
  try {
    const rankings = createRankings(store.memory, text, (dialogue.turns.at(-1)?.at ?? 0) + dayMs)
    for (const question of dialogue.questions) {
      if (performance.now() > until) break
      const ranked = { ...(await plain.rank(question.text)), ...(await rankings.rank(question.text)) }
      for (const name of names) tallies[name].add(question, ranked[name])
      asked += 1
    }
  } finally {
    await store.close()
  }
  return asked
}

/** Bound: better than both of its parts at every depth, and than the simple baselines. */
function beatsRows(set: string, tallies: Tallies): Row[] {
  const beats = (name: RankingName, others: readonly Name[], what: string): Row => {
    const score = tallies[name].score()
    const margins = depths.map((_, i) => (score.recall[i] ?? 0) - Math.max(...others.map((each) => tallies[each].score().recall[i] ?? 0)))
    const beside = `in points: ${margins.map((margin) => (margin * 100).toFixed(1)).join(', ')}`
    const least = Math.min(...margins)
    return bounded(
      `${set}: ${name} beyond ${what}, least of R@1, 5, 10, 20`,
      `${(least * 100).toFixed(1)} points`,
      beside,
      '> 0',
      least > 0,
    )
  }
  return [
    beats('weights', ['text only', 'vector only'], 'the better of its parts'),
    beats('full recall', ['text only', 'vector only'], 'the better of its parts'),
    beats('full recall', plainNames, 'plain means'),
  ]
}

function classRows(set: string, tallies: Tallies): Row[] {
  return questionClasses.flatMap((kind) => {
    const score = tallies['full recall'].score(kind)
    if (score.questions === 0) return []
    const atTen = (name: Name): string => part(tallies[name].score(kind).recall[2])
    const beside = `R@10 of text ${atTen('text only')}, vector ${atTen('vector only')}, weights ${atTen('weights')}, simple means ${atTen('simple means')}`
    return [shown(`${set}: full recall, ${kind} (${score.questions})`, numbers(score), beside)]
  })
}

const part = (value: number | undefined): string => (value ?? 0).toFixed(3)

function numbers({ recall: of, error }: RecallScore): string {
  return `${of.map(part).join(' ')} (R@10 ± ${part(error)})`
}

/** How well recall finds evidence, beside the lists it is made of. */
import { createLocalTextEngine } from '../../src/memory/index.ts'
import type { Measure } from '../measure.ts'
import { type Dialogue, questionClasses } from '../recall/dialogue.ts'
import { generateDialogues } from '../recall/generated/generate-dialogues.ts'
import { indexDialogue } from '../recall/indexed-dialogue.ts'
import { readLocomoFile } from '../recall/locomo-file.ts'
import { createRankings, type RankingName, rankingNames } from '../recall/rankings.ts'
import { createTally, depths, type RecallScore, type Tally } from '../recall/recall-score.ts'
import { bounded, type Row, shown } from '../report.ts'

/** Parameters were chosen on seed 1 alone. */
const reportedSeed = 7
const questionsPerDialogue = 150
/** Then what was asked so far is reported, and says how much that is. */
const maxSeconds = 45
const dayMs = 86_400_000

export const recall: Measure = {
  name: 'recall',
  title: 'What recall finds',
  how: `Share of the evidence turns among the first 1, 5, 10 and 20 results, one memory for each dialogue, built-in table of words; dialogues are generated (seed ${reportedSeed}; parameters were chosen on another) or read from \`--locomo PATH\`. Full recall adds exact names, days, priors, and says equal things once.`,
  async run({ plan, locomo }) {
    const size = { dialogues: plan.recallDialogues, questionsPerDialogue }
    const dialogues = locomo === null ? generateDialogues(reportedSeed, size) : readLocomoFile(locomo).dialogues
    const { tallies, asked } = await askAll(dialogues)
    const all = dialogues.reduce((sum, { questions }) => sum + questions.length, 0)
    return [
      shown('questions', String(asked), asked < all ? `of ${all}: stopped after ${maxSeconds} s` : `${dialogues.length} dialogues`),
      ...rankingNames.map((name) =>
        shown(`${name}: R@1, 5, 10, 20`, numbers(tallies[name].score()), `MRR ${part(tallies[name].score().mrr)}`),
      ),
      ...beatsRows(tallies),
      ...classRows(tallies),
    ]
  },
}

async function askAll(dialogues: readonly Dialogue[]): Promise<{ tallies: Record<RankingName, Tally>; asked: number }> {
  const tallies = Object.fromEntries(rankingNames.map((name) => [name, createTally()])) as Record<RankingName, Tally>
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  const until = performance.now() + maxSeconds * 1_000
  let asked = 0
  try {
    for (const dialogue of dialogues) {
      if (performance.now() > until) break
      const store = await indexDialogue(dialogue, text)
      try {
        const rankings = createRankings(store.memory, text, (dialogue.turns.at(-1)?.at ?? 0) + dayMs)
        for (const question of dialogue.questions) {
          if (performance.now() > until) break
          const ranked = await rankings.rank(question.text)
          for (const name of rankingNames) tallies[name].add(question, ranked[name])
          asked += 1
        }
      } finally {
        await store.close()
      }
    }
  } finally {
    await text.close()
  }
  return { tallies, asked }
}

/** The bound of the issue: better than both of its parts at every depth. */
function beatsRows(tallies: Record<RankingName, Tally>): Row[] {
  const parts = [tallies['text only'].score(), tallies['vector only'].score()]
  return (['weights', 'full recall'] as const).map((name) => {
    const score = tallies[name].score()
    const margins = depths.map((_, i) => (score.recall[i] ?? 0) - Math.max(...parts.map(({ recall: of }) => of[i] ?? 0)))
    const beside = `in points: ${margins.map((margin) => (margin * 100).toFixed(1)).join(', ')}`
    return bounded(
      `${name} beyond the better of its parts, least of R@1, 5, 10, 20`,
      `${(Math.min(...margins) * 100).toFixed(1)} points`,
      beside,
      '> 0',
      Math.min(...margins) > 0,
    )
  })
}

function classRows(tallies: Record<RankingName, Tally>): Row[] {
  return questionClasses.flatMap((kind) => {
    const score = tallies['full recall'].score(kind)
    if (score.questions === 0) return []
    const beside = `R@10 of text ${part(tallies['text only'].score(kind).recall[2])}, vector ${part(tallies['vector only'].score(kind).recall[2])}, weights ${part(tallies.weights.score(kind).recall[2])}`
    return [shown(`full recall, ${kind} (${score.questions})`, numbers(score), beside)]
  })
}

const part = (value: number | undefined): string => (value ?? 0).toFixed(3)

function numbers({ recall: of, error }: RecallScore): string {
  return `${of.map(part).join(' ')} (R@10 ± ${part(error)})`
}

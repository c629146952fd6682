/** `[goals]`: how goals are worked on and judged. */
import { configSection, type SettingsOf } from '../../config/index.ts'

export const goalsConfig = configSection('goals', (by) =>
  by.strictObject({
    max_generations: by.int().min(1).max(1_000).default(3).describe('Tries to reach a goal, where it says nothing else.'),
    judges: by.int().min(0).max(9).default(3).describe('Judges of what only a model can judge, after one review. 0: the review is enough.'),
    worker_model: by.string().max(200).default('').describe('Model of the agents that work on goals. Empty: the usual one.'),
    judge_model: by.string().max(200).default('').describe('Model of those who review and judge. Empty: the usual one.'),
    judge_tokens: by.int().min(1_000).max(100_000_000).default(200_000).describe('Tokens that one review or judge may use.'),
  }),
)
export type GoalsConfig = SettingsOf<typeof goalsConfig>

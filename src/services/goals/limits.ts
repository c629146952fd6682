/** Every limit of goals, with its reason. */

/** Characters of a request: a page of text. What is longer is a file that the request names. */
export const maxRequestCharacters = 16_000
/** Rounds of questions before the seed is made with what is known: nobody answers a fourth. */
export const maxRounds = 3
export const maxQuestions = 5
export const maxChoices = 12
export const maxQuestionCharacters = 500
export const maxAnswerCharacters = 4_000
/** Ambiguity from which on a goal is clear enough for a seed. */
export const readyAmbiguity = 0.2
/** Score from which on a generation that passed is the end. */
export const passScore = 0.8
/** Gain of score below which two generations in a row are the last. */
export const leastGain = 0.05
/** Of the same failure, before it is the end. */
export const maxSameFailures = 3
export const maxCriteria = 40
export const maxConstraints = 40
export const maxTasks = 20
/** Bytes of a seed as JSON: it is part of prompts. */
export const maxSeedBytes: number = 64 * 1024
export const maxPatternCharacters = 500
/** Characters of a file or an output that a pattern is matched with: both bound the time, which is their product. */
export const maxMatchedCharacters: number = 256 * 1024
export const maxCheckSeconds = 600
export const maxCheckRuns = 5
/** Tasks that run at once. */
export const maxTasksAtOnce = 5
export const maxGenerations = 1_000
export const maxJudges = 9
/** Characters of a difference that a judge reads; it reads files by itself. */
export const maxJudgedCharacters = 24_000
export const maxEvidenceCharacters = 2_000
/** Ended goals that are kept. */
export const maxEndedGoals = 200
export const maxLiveGoals = 20
/** Generations that `goal.show` has; `goal.lineage` has all. */
export const maxShownGenerations = 20
export const maxGoalWaitS = 60
/** A step that has failed is tried again after this, each time twice as late. */
export const stepRetryMs = 1_000
/** That an answer waits until the goal has asked what it is about to ask. */
export const maxTakeUpMs = 10_000

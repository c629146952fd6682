/** Amounts to measure: enough for stable medians in about five minutes on two cores, or for a first impression in one. */

export interface BenchPlan {
  /** Turns of each kind, and turns of one side in each round. */
  readonly turns: number
  readonly turnsPerRound: number
  /** Passages of earlier, lifelike talk in the memories of the guests that are sent turns: the first as usual, the second large. */
  readonly toldPassages: readonly [usual: number, large: number]
  /** Starts of a guest that ends with its one turn. */
  readonly coldRuns: number
  /** Sizes of memories of similar messages, each in its own guest. */
  readonly alikeMessages: readonly number[]
  /** Rounds of 64 sessions, and turns of each session's connection in a round. */
  readonly loadRounds: number
  readonly loadTurns: number
  readonly callSeconds: number
  readonly acceptRounds: number
  /** A round ends after this long, or when the sessions are full. */
  readonly acceptSeconds: number
  readonly starts: number
  /** Messages in the long session; the journal has three times as many records. */
  readonly longMessages: number
  readonly historyTurns: number
  /** Turns of the session that is run again. */
  readonly replayTurns: number
  readonly coldStarts: number
  readonly streamRounds: number
  readonly streamTokens: number
  /** Fresh processes whose peak memory is measured. */
  readonly streamPeaks: number
  readonly memoryTurns: number
  readonly idleSessions: number
  /** Rest after the turns before memory is read again. */
  readonly idleSeconds: number
  readonly busySeconds: number
  /** Generated dialogues of 600 turns and 150 questions. */
  readonly recallDialogues: number
  /** Passages in the memory whose recall is timed, and queries. */
  readonly recallPassages: number
  readonly recallQuestions: number
  /** Memories of other users in one file, and users with separate files that search at the same time. */
  readonly othersMemories: number
  readonly sideUsers: number
}

export const fullPlan: BenchPlan = {
  turns: 400,
  turnsPerRound: 20,
  toldPassages: [2_000, 100_000],
  coldRuns: 10,
  alikeMessages: [100_000],
  loadRounds: 4,
  loadTurns: 40,
  callSeconds: 1.5,
  acceptRounds: 5,
  acceptSeconds: 2,
  starts: 9,
  longMessages: 100_000,
  historyTurns: 200,
  replayTurns: 500,
  coldStarts: 7,
  streamRounds: 5,
  streamTokens: 100_000,
  streamPeaks: 3,
  memoryTurns: 1_000,
  idleSessions: 1_000,
  idleSeconds: 75,
  busySeconds: 6,
  recallDialogues: 10,
  recallPassages: 50_000,
  recallQuestions: 300,
  othersMemories: 1_000_000,
  sideUsers: 100,
}

export const quickPlan: BenchPlan = {
  turns: 80,
  turnsPerRound: 10,
  toldPassages: [2_000, 20_000],
  coldRuns: 4,
  alikeMessages: [20_000],
  loadRounds: 2,
  loadTurns: 16,
  callSeconds: 0.4,
  acceptRounds: 2,
  acceptSeconds: 0.6,
  starts: 3,
  longMessages: 10_000,
  historyTurns: 40,
  replayTurns: 100,
  coldStarts: 2,
  streamRounds: 2,
  streamTokens: 20_000,
  streamPeaks: 1,
  memoryTurns: 300,
  idleSessions: 200,
  idleSeconds: 15,
  busySeconds: 2,
  recallDialogues: 2,
  recallPassages: 6_000,
  recallQuestions: 60,
  othersMemories: 50_000,
  sideUsers: 12,
}

export { type ContextProvider, type Evaluator, type Reminder, type RuntimeDeps, runTurn, type TurnResult } from './pipeline.ts'
export type { Composed, GenerateOutput, RollingSummary } from './turn-loop.ts'
export { createMessageCounter, itemsBehind, type MessageCounter, type SummarizeOutput, tokensOfAll } from './window.ts'

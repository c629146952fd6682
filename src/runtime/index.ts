export { createMessageCounter, type MessageCounter, tokensOfAll } from './context-window.ts'
export { runTurn } from './pipeline.ts'
export { itemsBehind } from './rolling.ts'
export type {
  Composed,
  ContextProvider,
  Evaluator,
  GenerateOutput,
  Reminder,
  RollingSummary,
  RuntimeDeps,
  SummarizeOutput,
  TurnResult,
} from './runtime.ts'

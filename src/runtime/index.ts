export { foreignFactor, roomyFactor } from './limits.ts'
export { type ContextProvider, type Reminder, type RuntimeDeps, runTurn, type TurnHooks, type TurnResult } from './pipeline.ts'
export type { GenerateOutput, RollingSummary } from './turn-loop.ts'
export { createMessageCounter, itemsBehind, type MessageCounter, type SummarizeOutput, tokensOfAll } from './window.ts'

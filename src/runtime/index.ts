export { foreignFactor, roomyFactor } from './limits.ts'
export { type ContextProvider, type Reminder, type RuntimeDeps, runTurn, type TurnHooks } from './pipeline.ts'
export type { RollingSummary } from './turn-loop.ts'
export { createMessageCounter, itemsBehind, type MessageCounter, tokensOfAll } from './window.ts'

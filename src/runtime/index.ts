export { createCharacter } from './character.ts'
export { createMessageCounter } from './context-window.ts'
export { runTurn } from './pipeline.ts'
export type { Composed, ContextProvider, Evaluator, GenerateOutput, RuntimeDeps, TurnResult } from './runtime.ts'

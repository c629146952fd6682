export { createCharacter } from './character.ts'
export { runTurn } from './pipeline.ts'
export type { Composed, ContextProvider, Evaluator, GenerateOutput, RuntimeDeps, TurnResult } from './runtime.ts'

/** What the runtime is handed, and what it gives back. */
import type { MessageCounter } from './context-window.ts'
import type { AssistantMessage, ConversationItem, Failure, FinishReason, ModelFacts, Process, TurnId, Usage } from '../types/index.ts'

export interface RuntimeDeps {
  readonly facts: ModelFacts
  /** Tokens of the tool descriptions, which every generation carries. */
  readonly toolTokens: number
  readonly counter: MessageCounter
  /** Most generations in one turn. */
  readonly maxTurns: number
  readonly providers: readonly ContextProvider[]
  readonly evaluators: readonly Evaluator[]
}

/** Adds a section to the system prompt. Runs beside the others, under a deadline; an empty text adds nothing. */
export interface ContextProvider {
  readonly name: string
  provide(process: Process): string | Promise<string>
}

/** Looks at a finished turn. Runs after the reply, in the background. */
export interface Evaluator {
  readonly name: string
  evaluate(process: Process, result: TurnResult): Promise<void>
}

export interface Composed {
  readonly system: string
  /** Upper bound of the tokens of the system prompt and the tools. */
  readonly systemTokens: number
  readonly conversation: readonly ConversationItem[]
}

/** Output of the `model.generate` call. */
export interface GenerateOutput {
  readonly message: AssistantMessage
  readonly finish: FinishReason
  readonly usage: Usage
  /** How often its tool calls were mended, by kind; absent when none was. */
  readonly repaired?: Readonly<Record<string, number>>
}

/** How a turn ended. `limit` and `failed` replies say what was done and what is left. */
export interface TurnResult {
  readonly status: 'ok' | 'failed' | 'cancelled' | 'limit'
  readonly turn: TurnId
  readonly reply: string
  readonly steps: number
  readonly failure: Failure | null
}

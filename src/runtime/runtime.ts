/** What the runtime is handed, and what it gives back. */
import type { MessageCounter } from './context-window.ts'
import type {
  AssistantMessage,
  CallId,
  ConversationItem,
  Failure,
  FinishReason,
  ModelFacts,
  Process,
  SessionId,
  TurnId,
  Usage,
} from '../types/index.ts'

export interface RuntimeDeps {
  readonly facts: ModelFacts
  /** Tokens of the tool descriptions, which every generation carries. */
  readonly toolTokens: number
  readonly counter: MessageCounter
  /** Most generations in one turn. */
  readonly maxTurns: number
  readonly providers: readonly ContextProvider[]
  readonly evaluators: readonly Evaluator[]
  /** Sums up what no longer fits the window; absent: it is left out. */
  readonly rolling?: RollingSummary
  /** What is recalled before a turn; absent: nothing. */
  readonly reminder?: Reminder
}

/** Knows whether recalling can find anything. */
export interface Reminder {
  /** A promise only where nobody has looked yet: a turn without memories must not cost a call. */
  hasOthers(session: SessionId): boolean | Promise<boolean>
}

export interface RollingSummary {
  /** Part of the window that is full when a summary is made. */
  readonly triggerRatio: number
  /** Has one made in the background, while nobody waits. Never throws. @param room tokens that the conversation may take */
  later(process: Process, room: number): void
}

/** Output of the `session.summarize` call: what stands for the messages up to `through` now; null when there is nothing new. */
export interface SummarizeOutput {
  readonly summary: ConversationItem | null
  readonly through: CallId | ''
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
  /** Stands for what was said before `conversation`. */
  readonly summary: ConversationItem | null
}

/** Output of the `model.generate` call. */
export interface GenerateOutput {
  readonly message: AssistantMessage
  readonly finish: FinishReason
  readonly usage: Usage
  /** How often its tool calls were mended, by kind; absent when none was. */
  readonly repaired?: Readonly<Record<string, number>>
}

/** How a turn ended. `limit` and `failed` replies say what was done and what is left; one that is `ok` has a failure when its answer is cut. */
export interface TurnResult {
  readonly status: 'ok' | 'failed' | 'cancelled' | 'limit'
  readonly turn: TurnId
  readonly reply: string
  readonly steps: number
  readonly failure: Failure | null
}

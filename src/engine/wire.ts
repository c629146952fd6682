/**
 * A wire: how one vendor's protocol writes a request and reads its streamed answer. Pure: no socket, no clock, no retry.
 * `http/http-model.ts` runs a wire over HTTP; reliability, prices and recording lie around it and know no wire.
 */
import type { GenerateRequest, ModelEvent, ModelFacts, Usage } from '../types/index.ts'
import type { BodyPieces } from './http/request-body.ts'
import type { ModelLimits } from './limits.ts'
import type { Problem } from './model-problem.ts'

export interface Wire {
  /** `openai-chat`, `openai-responses`, `anthropic` or `gemini`. */
  readonly name: string
  /** Path, and query if it needs one, after the base URL. @param model as the endpoint knows it */
  path(model: string): string
  /** Headers beside content-type, accept and those of the configuration. @param key empty for a service without one */
  headers(key: string): Readonly<Record<string, string>>
  createWriter(options: WriterOptions): RequestWriter
  createReader(options: ReaderOptions): AnswerReader
}

export interface WriterOptions {
  /** What is known of the model: a field that it does not know is left out. */
  readonly facts: (model: string) => ModelFacts
  /** The vendor's own endpoint, not a service that is compatible with it: only there everything newest is known. */
  readonly official: boolean
}

export interface RequestWriter {
  /** @param request its `model` as the endpoint knows it. @returns the body: JSON text. */
  write(request: GenerateRequest): BodyPieces
}

export interface ReaderOptions {
  readonly limits: Pick<ModelLimits, 'maxEventChars' | 'maxAnswerChars' | 'maxToolCalls'>
  readonly origin: string
  readonly key: string
  /** Model of the request, for what is sealed. */
  readonly model: string
  /** Length of the request, for an estimate of usage. */
  readonly requestChars: number
  /** Told when output came that is not given out yet. */
  readonly onProgress?: GenerateRequest['onProgress'] | undefined
}

/** Reads one answer. Text and reasoning come out as they arrive; tool calls only once the answer is known to be whole. */
export interface AnswerReader {
  /** Appends the events of the next piece of text. @returns false when the answer is over and nothing more need be read. */
  feed(text: string, into: ModelEvent[]): boolean
  /**
   * Ends the answer. @param cut what ended the connection, or null for its regular end.
   * @returns what went wrong, or null when the answer is whole.
   */
  problem(cut: Problem | null): Problem | null
  /** The last events of a whole answer: its tool calls, then `finish`. */
  finish(): ModelEvent[]
  /** As reported so far, else estimated. */
  usage(): Usage
}

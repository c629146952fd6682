/**
 * A wire: how one vendor's protocol writes a request and reads its streamed answer. Pure: no socket, no clock, no retry.
 * `http/http-model.ts` runs a wire over HTTP; reliability, prices and recording do not know wires.
 */
import type { GenerateRequest, ModelEvent, ModelFacts, Usage } from '../protocol/index.ts'
import type { BodyPieces } from './http/request-body.ts'
import type { ModelLimits } from './limits.ts'
import type { Problem } from './model-problem.ts'

export interface Wire {
  /** `openai-chat`, `openai-responses`, `anthropic` or `gemini`. */
  readonly name: string
  /** Path, with its query if any, relative to the base URL. @param model as the endpoint knows it */
  path(model: string): string
  /** Headers besides content-type, accept and the configured ones. @param key empty for a service without one */
  headers(key: string): Readonly<Record<string, string>>
  createWriter(options: WriterOptions): RequestWriter
  createReader(options: ReaderOptions): AnswerReader
}

export interface WriterOptions {
  /** Facts of a model: fields that it does not support are omitted. */
  readonly facts: (model: string) => ModelFacts
  /** The vendor's own endpoint, not a compatible service: only it supports the newest fields. */
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
  /** Model of the request, recorded in seals. */
  readonly model: string
  /** Length of the request, to estimate usage. */
  readonly requestChars: number
  /** Called when output arrived that is not emitted yet. */
  readonly onProgress?: GenerateRequest['onProgress'] | undefined
}

/** Reads one answer. Text and reasoning are emitted as they arrive; tool calls only once the answer is complete. */
export interface AnswerReader {
  /** Appends the events of the next piece of text. @returns false when the answer is over and nothing more need be read. */
  feed(text: string, into: ModelEvent[]): boolean
  /**
   * Ends the answer.
   *
   * @param cut what ended the connection, or null for its regular end
   * @returns the problem, or null when the answer is complete
   */
  problem(cut: Problem | null): Problem | null
  /** The last events of a complete answer: its tool calls, then `finish`. */
  finish(): ModelEvent[]
  /** As reported so far, else estimated. */
  usage(): Usage
}

/**
 * A scenario: what the scripted model answers, as a JSON file.
 *
 *   { "turns": [ { "match": "list", "steps": [
 *       { "events": [ { "tool_call": { "name": "file_list", "arguments": {} } } ] },
 *       { "events": [ { "text": "There they are. " , "count": 3 } ], "usage": { "input": 10, "output": 5 } } ] } ] }
 *
 * Which step answers is decided from the request alone, so that a guest that was killed and started again goes on where it
 * was. The turn: the first whose `match` is in the last user message; else the turns without `match`, one for each user
 * message in order, the last of them repeated. The step: the first whose `match` is in the last message; else the steps
 * without `match`, one for each assistant message since the last user message. A step that does not exist is refused
 * with a message that says so.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type ErrorCode, errorTable, OxbowError } from '../../base/index.ts'
import { type Message, textOf } from '../../protocol/index.ts'

/** The whole is said `count` times, each time as a chunk of its own, or is cut into chunks of this many characters. */
const chunking = { count: z.int().min(1).max(10_000_000).optional(), chunk: z.int().min(1).optional() }

/** One thing that an answer does. Exactly one of the keys that name an event stands in each. */
const eventSchema = z.union([
  /** `{{last}}` in it becomes the text of the request's last message. */
  z.strictObject({ text: z.string(), ...chunking }),
  z.strictObject({ reasoning: z.string(), ...chunking }),
  z.strictObject({
    tool_call: z.strictObject({
      name: z.string(),
      /** Text is sent as it is, also when it is no JSON; anything else is sent as JSON, where `{{last}}` becomes as in a text. */
      arguments: z.unknown(),
      id: z.string().optional(),
      /** On the wire: pieces that the arguments come in. */
      pieces: z.int().min(1).optional(),
      /** On the wire: the index is left out. */
      no_index: z.boolean().optional(),
    }),
  }),
  z.strictObject({ delay_ms: z.int().nonnegative() }),
  /** Fails in the middle: an error object on the wire, an error event in process. Nothing comes after it. */
  z.strictObject({
    error: z.enum(Object.keys(errorTable) as [ErrorCode, ...ErrorCode[]]),
    message: z.string().optional(),
  }),
  /** Drops the connection. */
  z.strictObject({ drop: z.literal(true) }),
  /** Sends nothing more and keeps the connection open until the other side gives up. */
  z.strictObject({ stall: z.literal(true) }),
  /** Raw bytes on the wire, sent as they are. */
  z.strictObject({ garbage: z.string() }),
])
export type ScenarioEvent = z.infer<typeof eventSchema>

const stepSchema = z.strictObject({
  match: z.string().optional(),
  /** Answers with a status instead of events; with `times`, only the first so many requests of this step. */
  http: z
    .strictObject({
      status: z.int().min(200).max(599),
      body: z.string().optional(),
      headers: z.record(z.string(), z.string()).optional(),
      times: z.int().min(1).optional(),
    })
    .optional(),
  events: z.array(eventSchema).default([]),
  /** `none` leaves the finish reason and [DONE] out: the answer just ends. */
  finish: z.enum(['stop', 'tool_calls', 'length', 'content_filter', 'none']).optional(),
  /** What is reported; null reports nothing. */
  usage: z.strictObject({ input: z.int().nonnegative(), output: z.int().nonnegative() }).nullable().optional(),
  /** On the wire: the answer is sent in writes of this many bytes, so that characters are split. */
  split_bytes: z.int().min(1).optional(),
})
export type ScenarioStep = z.infer<typeof stepSchema>

const scenarioSchema = z.strictObject({
  turns: z.array(z.strictObject({ match: z.string().optional(), steps: z.array(stepSchema).min(1) })).min(1),
  /** Names that the HTTP server lists; absent: it lists none. */
  models: z.array(z.string().min(1)).optional(),
})
export type Scenario = z.infer<typeof scenarioSchema>

/** @throws OxbowError `bad_config` that names what is wrong in the file. */
export async function loadScenario(file: string): Promise<Scenario> {
  const hint = 'Set model.scenario to a scenario file; src/engine/scripted/scenario.ts describes its form.'
  let value: unknown
  try {
    value = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new OxbowError('bad_config', `The scenario ${file || '(none named)'} cannot be read.`, { hint, cause })
  }
  const parsed = scenarioSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'top level'}: ${issue.message}`)
  throw new OxbowError('bad_config', `The scenario ${file} cannot be used: ${wrong.join('; ')}`, { hint })
}

/** What the choice looks at, the same for messages in process and on the wire. */
export interface RequestView {
  /** User messages in the whole request. */
  readonly userMessages: number
  readonly lastUserText: string
  /** Assistant messages after the last user message. */
  readonly answersSince: number
  /** Text of the last message, a tool result included. */
  readonly lastText: string
}

/** @returns the step, or a sentence that says which one is missing. */
export function chooseStep(scenario: Scenario, view: RequestView): ScenarioStep | string {
  const matched = scenario.turns.find((turn) => turn.match !== undefined && view.lastUserText.includes(turn.match))
  const ordered = scenario.turns.filter((turn) => turn.match === undefined)
  const turn = matched ?? ordered[Math.min(Math.max(view.userMessages, 1), ordered.length) - 1]
  if (turn === undefined) return 'The scenario has no turn for this message.'
  const matchedStep = turn.steps.find((step) => step.match !== undefined && view.lastText.includes(step.match))
  const step = matchedStep ?? turn.steps.filter((each) => each.match === undefined)[view.answersSince]
  return step ?? `The scenario has no step ${view.answersSince + 1} for this turn.`
}

/** A message of either form, reduced to what a choice needs. */
export interface ViewedMessage {
  readonly role: string
  readonly text: string
}

export function viewRequest(messages: readonly ViewedMessage[]): RequestView {
  const lastUser = messages.findLastIndex((message) => message.role === 'user')
  return {
    userMessages: messages.filter((message) => message.role === 'user').length,
    lastUserText: messages[lastUser]?.text ?? '',
    answersSince: messages.slice(lastUser + 1).filter((message) => message.role === 'assistant').length,
    lastText: messages.at(-1)?.text ?? '',
  }
}

export function viewMessages(messages: readonly Message[]): RequestView {
  return viewRequest(
    messages.map((message) => ({ role: message.role, text: message.role === 'tool' ? message.parts[0].text : textOf(message) })),
  )
}

/** @returns arguments as they are sent; `last` takes the place of `{{last}}`, as JSON has it between quotes */
export function argumentsText(given: unknown, last: string): string {
  const text = typeof given === 'string' ? given : JSON.stringify(given ?? {})
  return text.replaceAll('{{last}}', () => JSON.stringify(last).slice(1, -1))
}

/** Cuts and repeats a text as its event says. */
export function chunksOf(text: string, event: { count?: number | undefined; chunk?: number | undefined }): string[] {
  const pieces: string[] = []
  const size = event.chunk ?? Math.max(1, text.length)
  for (let from = 0; from < text.length || from === 0; from += size) pieces.push(text.slice(from, from + size))
  return Array.from({ length: event.count ?? 1 }, () => pieces).flat()
}

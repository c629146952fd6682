/**
 * The program that starts a guest and belongs to it: it runs tools of its own and may be the model. Its tools are calls of the guest, so each
 * use passes the gate; the guest asks for the work itself over the pipes that carry its other questions.
 */
import { z } from 'zod'
import type { Json, JsonObject } from '../base/index.ts'
import { type Effect, jsonObjectSchema, type Label, type Tier } from '../protocol/index.ts'

export interface AppTool {
  /** Models see `app_NAME`, people and policies `app.NAME`. */
  readonly name: string
  readonly description: string
  /** JSON Schema of the input. */
  readonly parameters: JsonObject
  readonly tier: Tier
  readonly effect: Effect
  readonly adds: readonly Label[]
  readonly sink: boolean
  readonly timeoutMs: number
}

/** What the envelope says of it. */
export interface AppFacts {
  readonly tools: readonly AppTool[]
  readonly servesModel: boolean
}

/** The program's side of the questions. */
export interface App extends AppFacts {
  /** @param onPiece receives pieces of a model's answer. @throws OxbowError for what failed */
  answer(question: AppQuestion, signal: AbortSignal, onPiece: (piece: JsonObject) => void): Promise<Json>
}

export type AppQuestion =
  | { readonly ask: 'app_tool'; readonly name: string; readonly input: JsonObject; readonly session: string; readonly call: string }
  /** As a plugin that is a model is asked; see `src/engine/plugin-model.ts`. */
  | { readonly ask: 'app_model'; readonly model: string; readonly params: JsonObject }

/** The guest may be compromised: its questions are parsed. */
export const appQuestionSchemas: readonly [z.ZodType<AppQuestion>, z.ZodType<AppQuestion>] = [
  z.strictObject({ ask: z.literal('app_tool'), name: z.string(), input: jsonObjectSchema(), session: z.string(), call: z.string() }),
  z.strictObject({ ask: z.literal('app_model'), model: z.string(), params: jsonObjectSchema() }),
]

/** How the guest reaches the program. */
export type AppPort = App['answer']

const shortText = z.string().max(1_000)

const channelSettings = z.strictObject({
  id: z.string().max(100).optional().describe('Tells it from a channel of another program with the same account.'),
  name: shortText.describe('As the person calls it.'),
  kind: shortText,
  since: z
    .number()
    .optional()
    .describe('When the person has added it, unix milliseconds: what was said before is nothing that was missed.'),
  secrets: z.record(z.string().max(100), z.string().max(20_000)).describe('Tokens and passwords by name.'),
  options: z.record(z.string().max(100), z.string().max(2_000)).describe('What is no secret: addresses, names of servers.'),
})

/** A channel with its secrets. The process of channels has it from a pipe, never from its arguments or environment. */
export type ChannelSettings = z.infer<typeof channelSettings>

/** As a guest says it. */
export const channelsSpec = z.strictObject({
  key: z.string().max(200).describe('An API key with the right `channel.use`, and no other.'),
  menu: z
    .array(z.strictObject({ name: shortText, summary: shortText }))
    .max(100)
    .readonly(),
  channels: z.array(channelSettings).max(100).readonly(),
})

/** What the process of channels gets over its input, besides the address of its guest. It is never an argument, a variable or a file. */
export type ChannelsSpec = z.infer<typeof channelsSpec>

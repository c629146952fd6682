/** Schemas of messages; the types follow from them. All wire formats of models are built from these. */
import { z } from 'zod'
import { finishReason, usageSchema } from './model-schema.ts'
import { failureSchema, idSchema, jsonObjectSchema, spendSchema } from './output-schema.ts'

const sealed = z
  .strictObject({ wire: z.string(), model: z.string(), data: jsonObjectSchema() })
  .describe('Data that a wire returned with a part and expects back unchanged. Sent back only to the same wire and model.')

/**
 * Data that a wire returned with a part and expects back unchanged: a signature, encrypted reasoning, the id of an item. Opaque to all
 * other code, and sent back only to the same wire and model.
 */
export type Sealed = z.infer<typeof sealed>

const textPart = z.strictObject({ type: z.literal('text'), text: z.string(), sealed: sealed.exactOptional() })

export type TextPart = z.infer<typeof textPart>

const reasoningPart = z.strictObject({ type: z.literal('reasoning'), text: z.string(), sealed: sealed.exactOptional() })

/** A model's reasoning, kept for wires that expect it back. `text` may be empty: some wires return only sealed data. */
export type ReasoningPart = z.infer<typeof reasoningPart>

const mediaPart = z.strictObject({
  type: z.literal('media'),
  mediaType: z.string().describe('E.g. `image/png`, `image/jpeg`, `image/webp`, `image/gif`, `application/pdf`.'),
  name: z.string().describe('File name, sent if the wire supports it; may be empty.'),
  data: z.string().describe('Base64, without a `data:` prefix.'),
})

/** A picture or document for the model. */
export type MediaPart = z.infer<typeof mediaPart>

const toolCallPart = z.strictObject({
  type: z.literal('tool_call'),
  id: z.string().describe("The model's own id; not unique across steps, and sometimes not within one."),
  name: z.string().describe('Tool name as the model sees it, e.g. `file_read`.'),
  arguments: z.string(),
  sealed: sealed.exactOptional(),
})

/** A tool call of a model. `arguments` is the text as the model wrote it and may not be valid JSON. */
export type ToolCallPart = z.infer<typeof toolCallPart>

const toolResultPart = z.strictObject({
  type: z.literal('tool_result'),
  id: z.string().describe('`id` of the tool call that this answers.'),
  name: z.string(),
  ok: z.boolean(),
  text: z.string(),
  media: z.array(mediaPart).readonly().exactOptional().describe('Pictures that belong to the result.'),
})

export type ToolResultPart = z.infer<typeof toolResultPart>

export const keptFile = z.strictObject({
  name: z.string().describe('File name for people and models; never a path.'),
  media_type: z.string().describe('Detected from the content if possible, e.g. `image/png`.'),
  bytes: z.int(),
  pieces: z.array(z.string()).readonly().describe('Hashes of its pieces in order; empty for an empty file.'),
  head: z.string().optional().describe('The beginning of an attached text; absent: it is not text.'),
})

/** A file that a person attached or an agent sent, stored as blobs of the journal: its content is the concatenation of its pieces. */
export type KeptFile = z.infer<typeof keptFile>

const files = z.array(keptFile).readonly().exactOptional()

const userMessage = z.strictObject({
  role: z.literal('user'),
  parts: z.array(z.union([textPart, mediaPart])).readonly(),
  files: files.describe(
    'Attached files, by hash. Before a request, the kernel turns the newest ones into parts if the model accepts them.',
  ),
  recalled: z.literal(true).exactOptional().describe('Set if this is what memory found, not written by a person.'),
})

export type UserMessage = z.infer<typeof userMessage>

const assistantMessage = z.strictObject({
  role: z.literal('assistant'),
  parts: z.array(z.union([textPart, reasoningPart, toolCallPart])).readonly(),
})

export type AssistantMessage = z.infer<typeof assistantMessage>

const toolMessage = z.strictObject({
  role: z.literal('tool'),
  parts: z.tuple([toolResultPart]).readonly(),
  files: files.describe('Pictures of the result, by hash.'),
})

/** The result of exactly one tool call. */
export type ToolMessage = z.infer<typeof toolMessage>

const messageSchema = z.union([userMessage, assistantMessage, toolMessage])

export type Message = z.infer<typeof messageSchema>

const conversationItemSchema = z.strictObject({
  call: idSchema('CallId').describe('The call that added it: a sent message, a generation, or a tool call (`<generation>.<index>`).'),
  message: messageSchema,
  bytes: z.number().describe('UTF-8 bytes that a tokenizer would count, an upper bound of the tokens. Media count as a constant instead.'),
  ended: z
    .union([z.enum(['length', 'cancelled']), failureSchema()])
    .exactOptional()
    .describe('How a generation ended, if it was cut off.'),
})

/** A message in its conversation. */
export type ConversationItem = z.infer<typeof conversationItemSchema>

/** What `session.summarize` puts in the place of the oldest messages. */
export const summarizeOutput = z.strictObject({
  summary: conversationItemSchema.nullable().describe('What replaces the messages up to `through`; null when there is nothing new.'),
  through: z.union([z.literal(''), idSchema('CallId')]),
})

export type SummarizeOutput = z.infer<typeof summarizeOutput>

export const generateOutput = z.strictObject({
  message: assistantMessage,
  finish: finishReason,
  usage: usageSchema,
  repaired: z
    .record(z.string(), z.int())
    .readonly()
    .exactOptional()
    .describe('How many tool calls were repaired, by kind; absent when none was.'),
  model: z.string().exactOptional().describe('The model that answered, where it is not the one that was asked.'),
})

/** Output of the `model.generate` call. */
export type GenerateOutput = z.infer<typeof generateOutput>

export const completion = z.strictObject({ text: z.string(), spent: spendSchema() })

/** What a model has answered outside of a turn. */
export type Completion = z.infer<typeof completion>

/**
 * A conversation as a program sends it, whichever interface it uses, and what of it is new for the agent. The protocol sends all of it each
 * time, the journal keeps it: what a session already holds is left out, and what it does not hold comes with its first message.
 */
import { z } from 'zod'
import { type CallId, fenced, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import type { ClientResult, ClientTools, SentFile } from '../../protocol/index.ts'
import { readPlace } from './agent-turn.ts'

/** An entry of a conversation, as a program sends it. */
export type Entry =
  | { readonly role: 'system' | 'user' | 'assistant'; readonly text: string; readonly attachments: readonly SentFile[] }
  | { readonly role: 'call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly role: 'result'; readonly id: string; readonly text: string }

export interface Fresh {
  readonly text: string
  readonly attachments: readonly SentFile[]
  readonly results: readonly ClientResult[]
  /** Where the results belong; null: it has none, or results of calls that are not ours. */
  readonly session: SessionId | null
}

/** @returns where the newest message begins: the results and words behind the last answer */
export function newestFrom(entries: readonly Entry[]): number {
  const words = entries.at(-1)?.role === 'user' ? entries.length - 1 : entries.length
  let from = words
  while (entries[from - 1]?.role === 'result') from--
  return from
}

/**
 * @param field of the request that has the conversation
 * @param before what was said before and the session does not hold @param entries the new part
 * @throws OxbowError `bad_input` if nothing is there to be answered
 */
export function freshOf(field: 'messages' | 'input', before: readonly Entry[], entries: readonly Entry[]): Fresh {
  const last = entries.at(-1)
  if (last === undefined || (last.role !== 'user' && last.role !== 'result'))
    throw invalid(field, 'the last message must be of the user, or the result of a tool')
  if (last.role === 'user' && last.text === '' && last.attachments.length === 0)
    throw invalid(field, 'the last message is empty', 'Send a text or a file in its content.')
  const places = entries.flatMap((entry) => (entry.role === 'result' ? [{ entry, place: readPlace('call', entry.id) }] : []))
  const session = places[0]?.place?.session ?? null
  const isOurs = before.length === 0 && session !== null && places.every(({ place }) => place?.session === session)
  const results = isOurs ? places.map(({ entry, place }) => ({ call: `${place!.id}.${place!.number}` as CallId, text: entry.text })) : []
  const words = isOurs ? entries.filter(({ role }) => role !== 'result') : entries
  const attachments = words.flatMap((entry) => ('attachments' in entry ? entry.attachments : []))
  return { text: wordsOf(before, words), attachments, results, session: isOurs ? session : null }
}

/** All comes from the program, as the message does; what its tools returned is fenced as the text of others. */
function wordsOf(before: readonly Entry[], words: readonly Entry[]): string {
  const all = [...before, ...words]
  const system = all.filter(({ role }) => role === 'system').map(textOf)
  const talk = all.slice(0, -1).filter(({ role }) => role !== 'system')
  const last = all.at(-1)
  return [
    ...(system.length === 0 ? [] : [`Instructions:\n${system.join('\n')}`]),
    ...(talk.length === 0 ? [] : [`The conversation so far:\n${talk.map(lineOf).join('\n\n')}`]),
    ...(last === undefined || last.role === 'system' ? [] : [last.role === 'user' ? last.text : lineOf(last)]),
  ].join('\n\n')
}

function textOf(entry: Entry): string {
  return 'text' in entry ? entry.text : ''
}

function lineOf(entry: Entry): string {
  if (entry.role === 'call') return `Assistant called ${entry.name}: ${entry.arguments}`
  if (entry.role === 'result') return `Result:\n${fenced(entry.text, entry.id as CallId)}`
  return `${entry.role === 'assistant' ? 'Assistant' : 'User'}: ${entry.text}`
}

/** @returns the text of a tool's result, which has no pictures here @throws OxbowError `bad_input` */
export function textOfResult(
  { text, attachments }: { readonly text: string; readonly attachments: readonly SentFile[] },
  param: string,
): string {
  if (attachments.length > 0) throw invalid(param, 'the result of a tool must be text', 'Send a picture in a message of the user.')
  return text
}

export const noFilesText = 'See the attached files.'

/** @returns the file of a data URL; nothing is fetched from addresses @throws OxbowError `bad_input` */
export function fileOf(name: string, url: string, param: string): SentFile {
  const [, type, data] = /^data:([\w.+-]+\/[\w.+-]+);base64,([\w+/=]+)$/.exec(url) ?? []
  if (type === undefined || data === undefined) throw invalid(param, `${name} must be a data URL with base64`)
  return { name, media_type: type, data }
}

/** Names the field, as the interfaces do. */
export function invalid(param: string, why: string, hint = 'Send it as the reference of this interface has it.'): OxbowError {
  return new OxbowError('bad_input', `${param}: ${why}.`, { hint, data: { param } })
}

/** @returns the parsed body @throws OxbowError `bad_input` that names the first wrong field */
export function readBody<Output>(schema: z.ZodType<Output>, body: JsonObject): Output {
  const read = schema.safeParse(body)
  if (read.success) return read.data
  const issue = firstIssue(read.error.issues[0]!)
  throw invalid(issue.path.join('.') || 'body', issue.message.endsWith('received undefined') ? 'is missing' : issue.message)
}

export const empty = 'must not be empty'

interface FirstIssue {
  readonly code?: string | undefined
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** Of a union the variant that fits best: the one whose first problem is deepest, and rather one of the right type. */
function firstIssue(issue: z.core.$ZodIssue): FirstIssue {
  if (issue.code !== 'invalid_union') return issue
  const inner = issue.errors.flatMap(([first]) => (first === undefined ? [] : [firstIssue(first)]))
  const best = inner.toSorted((a, b) => b.path.length - a.path.length || Number(isOfType(b)) - Number(isOfType(a)))[0]
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] }
}

function isOfType({ code }: FirstIssue): boolean {
  return code !== 'invalid_type'
}

/** Without a schema, the form is asked for in words, of every model. */
const jsonOnly = 'Answer with one JSON object and nothing else: no words around it, and no code fence.'

/** @returns the newest part of a conversation, with the form of its answer */
export function withFormat(entries: readonly Entry[], type: string | undefined): readonly Entry[] {
  return type === 'json_object' ? [{ role: 'system', text: jsonOnly, attachments: [] }, ...entries] : entries
}

/** Models put JSON in a code fence all the same. @returns the object of a reply that is one, or the reply */
export function inFormat(reply: string, type: string | undefined): string {
  const [, inside] = type === 'json_object' ? (/^\s*```(?:json)?\s*\n([^]*?)\n\s*```\s*$/i.exec(reply) ?? []) : []
  return inside ?? reply
}

const noOtherForm = 'only text, json_object and json_schema are supported'
const outputSchema = {
  name: z.string().regex(/^[\w-]{1,64}$/, 'must be 1 to 64 letters, digits, _ or -'),
  schema: z.record(z.string(), z.unknown()),
}

/** The form of an answer, as chats have it. */
export const chatFormat = z
  .discriminatedUnion(
    'type',
    [
      z.object({ type: z.enum(['text', 'json_object']) }),
      z.object({ type: z.literal('json_schema'), json_schema: z.object(outputSchema) }),
    ],
    noOtherForm,
  )
  .nullish()
/** The same, as responses have it. */
export const responseFormat = z
  .discriminatedUnion(
    'type',
    [z.object({ type: z.enum(['text', 'json_object']) }), z.object({ type: z.literal('json_schema'), ...outputSchema })],
    noOtherForm,
  )
  .nullish()

const namedFunction = { name: z.string(), description: z.string().nullish(), parameters: z.record(z.string(), z.unknown()).nullish() }
export const functionFields = z.object(namedFunction)

interface WantedTools {
  readonly tools: readonly z.infer<typeof functionFields>[]
  readonly choice: 'auto' | 'none' | 'required' | { readonly name: string }
  readonly isParallel: boolean
  readonly output: { readonly name: string; readonly schema: Readonly<Record<string, unknown>> } | undefined
}

/** @returns undefined if the program wants nothing; without tools, a choice means nothing but `none` */
export function clientToolsOf({ tools, choice, isParallel, output }: WantedTools): ClientTools | undefined {
  if (tools.length === 0 && choice !== 'none' && output === undefined) return undefined
  return {
    tools: tools.map(({ name, description, parameters }) => ({
      name,
      description: description ?? '',
      parameters: (parameters ?? { type: 'object', properties: {} }) as JsonObject,
    })),
    ...(choice !== 'auto' && { choice: typeof choice === 'string' ? choice : { tool: choice.name } }),
    ...(!isParallel && { serial: true }),
    ...(output !== undefined && { output: { name: output.name, schema: output.schema as JsonObject } }),
  }
}

/**
 * `/v1/responses`: whole, as a stream, in the background; read again by id, which names the turn in its session, so that it works after a
 * restart too. `previous_response_id` continues the session, or a fork of it if the session has gone on since.
 * Source: https://platform.openai.com/docs/api-reference/responses
 */
import { z } from 'zod'
import type { Kernel } from '../../kernel/index.ts'
import { createRecentMap, type JsonObject, OxbowError, type RecentMap, type SessionId, type TurnId } from '../../base/index.ts'
import { endsTurn, isMessage, isTaken, readStep, type RecordView } from '../../protocol/index.ts'
import { keptConversations } from '../limits.ts'
import { type AskedApproval, askedFields, outputOf } from '../http/messages.ts'
import {
  agentName,
  answerIn,
  answerOrAsked,
  answerTurn,
  errorOfTurn,
  isFailed,
  type Place,
  readPast,
  readPlace,
  startTurn,
} from './agent-turn.ts'
import { type Asking, createSender } from './asking.ts'
import {
  clientToolsOf,
  type Entry,
  fileOf,
  type Fresh,
  freshOf,
  functionFields,
  inFormat,
  invalid,
  newestFrom,
  noFilesText,
  readBody,
  responseFormat,
  textOfResult,
  withFormat,
} from './conversation.ts'
import { createResponseStream, type ResponseBase, responseOf } from './response-output.ts'

const part = z.discriminatedUnion('type', [
  z.object({ type: z.enum(['input_text', 'output_text', 'text']), text: z.string() }),
  z.object({ type: z.literal('refusal'), refusal: z.string() }),
  z.object({ type: z.literal('input_image'), image_url: z.string('must be a data URL').nullish() }),
  z.object({
    type: z.literal('input_file'),
    filename: z.string().max(1_000).nullish(),
    file_data: z.string('must be a data URL').nullish(),
  }),
])
const content = z.union([z.string(), z.array(part)])
const id = z.string().max(1_000)
const message = z.object({
  type: z.literal('message').optional(),
  id: id.nullish(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
})
const item = z.union([
  message,
  z.object({ type: z.literal('function_call'), id: id.nullish(), call_id: id, name: z.string().max(1_000), arguments: z.string() }),
  z.object({ type: z.literal('function_call_output'), call_id: id, output: content }),
  z.object({ type: z.literal('item_reference').optional(), id }).strict(),
  z.object({ type: z.literal('reasoning') }),
])
const tool = z
  .object({ type: z.literal('function', 'only functions are supported: the agent has tools of its own') })
  .extend(functionFields.shape)
export const responseRequest = z.object({
  model: z.string().max(200).default(''),
  input: z.union([z.string(), z.array(item)]),
  instructions: z.string().nullish(),
  previous_response_id: id.nullish(),
  conversation: z.null('use previous_response_id').optional(),
  prompt: z.null('prompts are not stored here').optional(),
  stream: z.boolean().nullish(),
  background: z.boolean().nullish(),
  metadata: z.record(z.string(), z.string().max(512)).nullish(),
  text: z.object({ format: responseFormat }).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: z.union([z.enum(['auto', 'none', 'required']), z.object({ type: z.literal('function'), name: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
})

type Request = z.infer<typeof responseRequest>
type Item = z.infer<typeof item>

/** What this gateway last had of a session: its newest turn, and the instructions that it has been given. */
export type SessionHeads = RecentMap<SessionId, { readonly turn: string; readonly instructions: string }>

export function createSessionHeads(): SessionHeads {
  return createRecentMap(keptConversations)
}

/** Answers `POST /v1/responses`. @returns null once it is sent @throws OxbowError before the first byte of a stream */
export async function createResponse(asking: Asking, heads: SessionHeads): Promise<JsonObject | null> {
  const { kernel, body, response, gone, now } = asking
  const read = readBody(responseRequest, body)
  const instructions = read.instructions ?? ''
  const { session, ...fresh } = await planOf(kernel, read, heads)
  const client = clientToolsOf({
    tools: read.tools ?? [],
    choice: read.tool_choice ?? 'auto',
    isParallel: read.parallel_tool_calls !== false,
    output: read.text?.format?.type === 'json_schema' ? read.text.format : undefined,
  })
  const started = await startTurn(kernel, { ...fresh, session, model: read.model, client })
  heads.put(started.session, { turn: started.turn, instructions })
  const base: ResponseBase = {
    place: { session: started.session, id: started.turn, number: started.cursor },
    at: now(),
    model: read.model || agentName,
    instructions: read.instructions ?? null,
    previous: read.previous_response_id ?? null,
    client,
    metadata: read.metadata ?? {},
    background: read.background === true,
  }
  response.setHeader('oxbow-session', started.session)
  if (read.stream !== true) {
    if (base.background) return responseOf(base, null)
    const ended = await answerOrAsked(kernel, started, gone)
    if ('asked' in ended) {
      response.statusCode = 202
      return { ...responseOf(base, null), x_oxbow: askedFields(started, ended.asked) }
    }
    if (isFailed(ended.answer)) throw errorOfTurn(ended.answer, read.model)
    const { answer } = ended
    return responseOf(base, { ...answer, texts: answer.texts.map((each) => inFormat(each, read.text?.format?.type)) })
  }
  const stream = createResponseStream(createSender(response), base)
  const onAsked = (asked: AskedApproval): void => stream.asked(askedFields(started, asked))
  stream.end(await answerTurn(kernel, started, gone, { onText: stream.text, onAsked, cancels: !base.background }))
  return null
}

/** Which session goes on, and what of the input is new to it. */
async function planOf(kernel: Kernel, read: Request, heads: SessionHeads): Promise<Fresh> {
  const items: readonly Item[] = typeof read.input === 'string' ? [{ role: 'user', content: read.input }] : read.input
  const form = read.text?.format?.type
  const instructions: Entry[] = read.instructions ? [{ role: 'system', text: read.instructions, attachments: [] }] : []
  const held = read.previous_response_id ? -1 : items.findLastIndex((each) => placeOf(each) !== null)
  const place = read.previous_response_id ? previousOf(read.previous_response_id) : held < 0 ? null : placeOf(items[held]!)
  const entries = items.slice(held + 1).flatMap(entriesOf)
  if (place === null) {
    const all = items.flatMap(entriesOf)
    const from = newestFrom(all)
    return freshOf('input', [...instructions, ...all.slice(0, from)], withFormat(all.slice(from), form))
  }
  const isNew = read.instructions !== heads.get(place.session)?.instructions && entries.at(-1)?.role === 'user'
  const fresh = freshOf('input', [], withFormat([...(isNew ? instructions : []), ...entries], form))
  return { ...fresh, session: fresh.session ?? (await continueAt(kernel, place, heads)) }
}

function previousOf(response: string): Place {
  const place = readPlace('resp', response)
  if (place !== null) return place
  throw invalid('previous_response_id', 'no response has this id', 'Use the id of a response of this guest.')
}

/** Where an item is that this gateway has sent; null for any other. */
function placeOf(each: Item): Place | null {
  if ('call_id' in each && each.type === 'function_call') return readPlace('call', each.call_id)
  if (!('id' in each) || typeof each.id !== 'string') return null
  return readPlace('msg', each.id) ?? readPlace('fc', each.id)
}

/** @returns the session, or a fork of it at this turn if others have followed @throws OxbowError `not_found` */
async function continueAt(kernel: Kernel, { session, id: turn, number }: Place, heads: SessionHeads): Promise<SessionId> {
  if (heads.get(session)?.turn === turn) return session
  const isOther = (record: RecordView): boolean => isTaken(record) && record.call !== turn
  let end: RecordView | undefined
  const records = await readPast(kernel, session, Math.max(0, number - 1), (record) => {
    if (endsTurn(record, turn)) end = record
    return end !== undefined && isOther(record)
  })
  const last = records.at(-1)
  // A turn that has not ended takes the message; nothing has followed the newest one.
  if (end === undefined || last === undefined || !isOther(last) || last.seq < end.seq) return session
  return (await outputOf(kernel, 'session.fork', { session, at: end.seq })).session
}

/** Answers `GET /v1/responses/{id}`. @throws OxbowError `not_found` */
export async function readResponse({ kernel, now }: Pick<Asking, 'kernel' | 'now'>, response: string): Promise<JsonObject> {
  const place = readPlace('resp', response)
  if (place === null) throw unknown(response)
  const { session, id: turn, number: cursor } = place
  let last = turn
  const records = await readPast(kernel, session, Math.max(0, cursor - 1), (record) => {
    const step = endsTurn(record, last) ? readStep(record) : null
    if (step?.kind !== 'ended') return false
    last = step.end.into ?? last
    return step.end.into === null
  })
  const sent = records.find((record) => isMessage(record) && record.call === turn)
  const step = sent === undefined ? null : readStep(sent)
  if (sent === undefined || step?.kind !== 'sent') throw unknown(response)
  const base: ResponseBase = {
    place,
    at: sent.at || now(),
    model: step.message.model || agentName,
    instructions: null,
    previous: null,
    client: step.message.client,
    metadata: {},
    background: false,
  }
  return responseOf(base, answerIn(records, turn as TurnId))
}

/** Answers `POST /v1/responses/{id}/cancel`. @throws OxbowError `not_found` */
export async function cancelResponse(asking: Pick<Asking, 'kernel' | 'now'>, response: string): Promise<JsonObject> {
  const running = await readResponse(asking, response)
  if (running['status'] === 'in_progress') await asking.kernel.cancelTurn(readPlace('resp', response)!.session)
  return running['status'] === 'in_progress' ? { ...running, status: 'cancelled' } : running
}

function unknown(response: string): OxbowError {
  return new OxbowError('not_found', `No response has the id ${JSON.stringify(response.slice(0, 200))}.`, {
    hint: 'Use the id of a response of this guest.',
  })
}

function entriesOf(each: Item): readonly Entry[] {
  if ('role' in each) {
    const { text, attachments } = contentOf(each.content)
    const role = each.role === 'developer' ? 'system' : each.role
    return [{ role, text: text === '' && attachments.length > 0 ? noFilesText : text, attachments }]
  }
  if ('output' in each) return [{ role: 'result', id: each.call_id, text: textOfResult(contentOf(each.output), 'input') }]
  if ('arguments' in each) return [{ role: 'call', id: each.call_id, name: each.name, arguments: each.arguments }]
  if ('id' in each) throw invalid('input', `no item has the id ${JSON.stringify(each.id.slice(0, 200))}`)
  // Reasoning of another model.
  return []
}

function contentOf(value: z.infer<typeof content>) {
  if (typeof value === 'string') return { text: value, attachments: [] }
  const texts = value.flatMap((each) => ('text' in each ? each.text : 'refusal' in each ? each.refusal : []))
  const attachments = value.flatMap((each) => {
    if (each.type === 'input_image') return [fileOf('image', each.image_url ?? '', 'input')]
    return each.type === 'input_file' ? [fileOf(each.filename ?? 'file', each.file_data ?? '', 'input')] : []
  })
  return { text: texts.join('\n'), attachments }
}

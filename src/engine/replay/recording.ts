/**
 * A recording: exchanges with models as the journal kept them, one JSON document a line, oldest first. A request may refer to an
 * earlier one of the recording for its beginning, and the events of an answer to a template. An erased exchange keeps its line, and later requests that refer to it are marked.
 */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { maxRecordedBytes } from '../limits.ts'

const bytes = { text: z.string().optional(), base64: z.base64().optional() }

const run = z.object({
  ...bytes,
  head: z.int().nonnegative().default(0),
  tail: z.int().nonnegative().default(0),
  parts: z.array(z.string()).default([]),
})

const line = z.object({
  id: z.string(),
  wire: z.string(),
  model: z.string(),
  url: z.string(),
  status: z.int().nonnegative(),
  request: z.object({
    ...bytes,
    after: z.object({ id: z.string(), bytes: z.int().nonnegative(), erased: z.boolean().optional() }).optional(),
  }),
  response: z.object({ ...bytes, runs: z.array(run).optional() }),
})

const erasedLine = z.object({ id: z.string(), erased: z.object({ erased: z.string(), bytes: z.int(), reason: z.string() }) })

export interface RecordedExchange {
  /** Id of the generation; the same for each of its tries. */
  readonly generation: string
  readonly wire: string
  readonly model: string
  readonly url: string
  readonly status: number
  /** All that follows its first `unknown` bytes, which were erased. */
  readonly request: Buffer
  readonly unknown: number
  readonly response: Buffer
  /** The whole exchange was erased. */
  readonly erased: boolean
}

/** @param name of the file, for errors. @throws OxbowError `bad_config` that names the line that is wrong */
export function readRecording(text: string, name: string): readonly RecordedExchange[] {
  const read = createLineReader(new Map())
  const exchanges: RecordedExchange[] = []
  for (const [at, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue
    const found = read(parseJson(content))
    if (typeof found === 'string')
      throw new OxbowError('bad_config', `${name}, line ${at + 1}: ${found}.`, {
        hint: 'Record it again: oxbow audit recording SESSION > FILE.',
      })
    exchanges.push(found)
  }
  if (exchanges.length === 0) throw new OxbowError('bad_config', `${name} holds no exchange.`, { hint: 'Record a session first.' })
  return exchanges
}

/** Requests as far as they are known, by the ids of their exchanges. */
interface Requests {
  get(id: string): Known | undefined
  set(id: string, request: Known): unknown
}

/** @param requests in which those are kept that later lines refer to @returns a function that reads the lines in their order: the exchange, or what is wrong with it */
export function createLineReader(requests: Requests): (value: unknown) => RecordedExchange | string {
  return (value) => {
    const gone = erasedLine.safeParse(value)
    if (gone.success) return { ...nothingLeft, generation: generationOf(gone.data.id) }
    const parsed = line.safeParse(value)
    if (!parsed.success) return `no exchange (${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''})`
    const { id, request, response, ...rest } = parsed.data
    const whole = wholeOf(request, requests)
    if (whole === null) return 'the request goes on from one that is not in the recording'
    const answer = answerOf(response)
    if (answer === null) return 'the answer is too long'
    requests.set(id, whole)
    return { ...rest, ...whole, generation: generationOf(id), response: answer, erased: false }
  }
}

/** A request as far as it is known. */
type Known = Pick<RecordedExchange, 'request' | 'unknown'>
type KeptBytes = { readonly text?: string | undefined; readonly base64?: string | undefined }
type KeptRequest = KeptBytes & {
  readonly after?: { readonly id: string; readonly bytes: number; readonly erased?: boolean | undefined } | undefined
}

const nothingLeft = {
  wire: '',
  model: '',
  url: '',
  status: 200,
  request: Buffer.alloc(0),
  unknown: 0,
  response: Buffer.alloc(0),
  erased: true,
}

function generationOf(id: string): string {
  return id.replace(/#\d+$/, '')
}

function wholeOf({ after, ...own }: KeptRequest, requests: Pick<Requests, 'get'>): Known | null {
  const rest = bytesOf(own)
  if (after === undefined) return { request: rest, unknown: 0 }
  const before = requests.get(after.id)
  if (before === undefined && after.erased === true) return { request: rest, unknown: after.bytes }
  if (before === undefined || before.unknown + before.request.length < after.bytes) return null
  const shared = before.request.subarray(0, Math.max(0, after.bytes - before.unknown))
  return { request: Buffer.concat([shared, rest]), unknown: Math.min(before.unknown, after.bytes) }
}

/** Unpacks what `kernel/models/exchange-record.ts` packs. @returns null for more than a recording holds: a few hostile bytes may unpack to any number */
function answerOf({ runs, ...whole }: KeptBytes & { readonly runs?: readonly z.infer<typeof run>[] | undefined }): Buffer | null {
  if (runs === undefined) return bytesOf(whole)
  const pieces: Buffer[] = []
  let size = 0
  let template = ''
  const add = (piece: Buffer): boolean => (size += pieces[pieces.push(piece) - 1]!.length) <= maxRecordedBytes
  for (const { text, base64, head, tail, parts } of runs) {
    template = text ?? template
    if ((text !== undefined || base64 !== undefined) && !add(bytesOf({ text, base64 }))) return null
    const before = template.slice(0, head)
    const after = template.slice(Math.max(0, template.length - tail))
    for (const part of parts) if (!add(Buffer.from(before + part + after))) return null
  }
  return Buffer.concat(pieces)
}

function bytesOf({ text, base64 }: KeptBytes): Buffer {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text, 'utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * A recording: exchanges with models as the journal kept them, one JSON document a line, oldest first. A request may say that
 * it begins as an earlier one of the same recording did.
 */
import { z } from 'zod'
import { OxbowError } from '../../types/index.ts'

const bytes = { text: z.string().optional(), base64: z.base64().optional() }

const line = z.object({
  id: z.string(),
  wire: z.string(),
  model: z.string(),
  url: z.string(),
  status: z.int().nonnegative(),
  request: z.object({ ...bytes, after: z.object({ id: z.string(), bytes: z.int().nonnegative() }).optional() }),
  response: z.object(bytes),
})

export interface RecordedExchange {
  /** What it was made for; tries of one generation have the same. */
  readonly generation: string
  readonly wire: string
  readonly model: string
  readonly url: string
  readonly status: number
  /** Whole. */
  readonly request: Buffer
  readonly response: Buffer
}

/** @param name of the file, for errors. @throws OxbowError `bad_config` that names the line that is wrong */
export function readRecording(text: string, name: string): readonly RecordedExchange[] {
  const requests = new Map<string, Buffer>()
  const exchanges: RecordedExchange[] = []
  for (const [at, content] of text.split('\n').entries()) {
    if (content.trim() === '') continue
    const wrong = (what: string): OxbowError =>
      new OxbowError('bad_config', `${name}, line ${at + 1}: ${what}.`, { hint: 'Make the recording anew: oxbow audit recording SESSION.' })
    const parsed = line.safeParse(parseJson(content))
    if (!parsed.success)
      throw wrong(`no exchange (${parsed.error.issues[0]?.path.join('.') ?? ''} ${parsed.error.issues[0]?.message ?? ''})`)
    const { id, request, response, ...rest } = parsed.data
    const before = request.after === undefined ? undefined : requests.get(request.after.id)
    if (request.after !== undefined && (before === undefined || before.length < request.after.bytes)) {
      throw wrong('the request goes on from one that is not in the recording')
    }
    const whole = Buffer.concat([before?.subarray(0, request.after?.bytes) ?? Buffer.alloc(0), bytesOf(request)])
    requests.set(id, whole)
    exchanges.push({ ...rest, generation: id.replace(/#\d+$/, ''), request: whole, response: bytesOf(response) })
  }
  if (exchanges.length === 0) throw new OxbowError('bad_config', `${name} holds no exchange.`, { hint: 'Record a session first.' })
  return exchanges
}

function bytesOf({ text, base64 }: { text?: string | undefined; base64?: string | undefined }): Buffer {
  return text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text, 'utf8')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

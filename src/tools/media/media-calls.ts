/**
 * `media.send`: a file of the workspace goes to the person. Its content is kept in pieces beside the journal, and the record of
 * the call names them: whoever follows the session shows what it can and fetches the rest. It leaves the sandbox, so it is a sink.
 */
import { z } from 'zod'
import { type Call, type CallContext, cleanFileName, maxPieceBytes, mediaTypeOf, OxbowError } from '../../types/index.ts'
import { maxCaptionCharacters, maxMediaBytes, mediaTimeoutMs } from '../limits.ts'
import { askHands, pathArgument, plural, toWorkspacePath } from '../workspace-arguments.ts'

type MediaType = 'photo' | 'audio' | 'document' | 'voice' | 'video'

interface SendInput {
  path: string
  media_type: MediaType
  caption: string
}
interface SendOutput {
  media_type: MediaType
  name: string
  mime_type: string
  bytes: number
  /** Hashes of its pieces, in order; `media.read` gives one. */
  pieces: string[]
  caption: string
}

/** What a file must be to be sent as this. */
const kinds: Readonly<Record<MediaType, RegExp>> = {
  photo: /^image\//,
  audio: /^audio\//,
  voice: /^audio\//,
  video: /^video\//,
  document: /^/,
}

export const mediaSend: Call<SendInput, SendOutput> = {
  name: 'media.send',
  summary: 'Sends a file of the workspace to the person, beside the reply.',
  input: z.strictObject({
    path: pathArgument.describe('File to send. Relative paths start at /shared.'),
    media_type: z.enum(['photo', 'audio', 'document', 'voice', 'video']).describe('How it is shown; anything can be sent as a document.'),
    caption: z.string().max(maxCaptionCharacters).default('').describe('Shown with it.'),
  }),
  output: z.strictObject({
    media_type: z.enum(['photo', 'audio', 'document', 'voice', 'video']),
    name: z.string(),
    mime_type: z.string(),
    bytes: z.int(),
    pieces: z.array(z.string()),
    caption: z.string(),
  }),
  example: { path: 'chart.png', media_type: 'photo', caption: 'Oxen by year' },
  tier: 'read_only',
  right: 'media.send',
  effect: 'idempotent',
  audience: ['model'],
  labels: { adds: [], sink: true },
  timeoutMs: mediaTimeoutMs,
  recordOutput: (output) => ({ media: { ...output } }),
  async run({ path: asked, media_type, caption }, context) {
    const path = toWorkspacePath(asked)
    const { head, bytes, pieces } = await keepFile(path, context)
    const mime = mediaTypeOf(head, '')
    if (!kinds[media_type].test(mime)) {
      throw new OxbowError('bad_input', `${path} is ${mime} and cannot be sent as ${media_type}.`, { hint: 'Send it as document.' })
    }
    const output = { media_type, name: cleanFileName(path), mime_type: mime, bytes, pieces, caption }
    const shown = 'A terminal of text shows its name only; the person can save it with `oxbow media`.'
    return { output, text: `Sent ${output.name} as ${media_type}: ${mime}, ${plural(bytes, 'byte')}. ${shown}` }
  },
}

async function keepFile(path: string, context: CallContext): Promise<{ head: Uint8Array; bytes: number; pieces: string[] }> {
  const pieces: string[] = []
  let head: Uint8Array | null = null
  let total = 1
  for (let offset = 0; offset < total;) {
    const read = await askHands(context, 'bytes', { path, offset, maxBytes: maxPieceBytes }, mediaTimeoutMs)
    if (head !== null && (read.totalBytes !== total || read.content.length === 0)) {
      throw new OxbowError('tool_failed', `${path} was changed while it was read.`, { hint: 'Send it again when nothing writes to it.' })
    }
    total = read.totalBytes
    if (total === 0) throw new OxbowError('bad_input', `${path} is empty.`, { hint: 'Send a file with something in it.' })
    if (total > maxMediaBytes) {
      throw new OxbowError('limit_reached', `${path} has ${total} bytes; ${maxMediaBytes} is the most that is sent.`, {
        hint: 'Send a smaller or packed form of it, or name its path in the reply.',
      })
    }
    head ??= read.content
    pieces.push(await context.blobs.keep(read.content))
    offset += read.content.length
  }
  return { head: head ?? new Uint8Array(), bytes: total, pieces }
}

/**
 * Calls that move files between the workspace and the person. `media.send` sends one: its content is stored in pieces next to the
 * journal, and the record of the call names them, so that any client of the session can fetch them. It leaves the sandbox: a sink.
 * `attachment.save` writes a file that came with a message of this turn.
 */
import { z } from 'zod'
import { OxbowError, plural } from '../../base/index.ts'
import {
  mediaCall,
  type Attachment,
  type Call,
  type CallContext,
  cleanFileName,
  defineCall,
  evident,
  type HandsOps,
  maxPieceBytes,
  mediaTypeOf,
} from '../../protocol/index.ts'
import { attachmentTimeoutMs, maxCaptionCharacters, maxMediaBytes, maxSavedBytes, mediaTimeoutMs } from '../limits.ts'
import { askHands, overwriteField, pathField, type SeenFiles, toWorkspacePath } from '../workspace-arguments.ts'

type MediaType = 'photo' | 'audio' | 'document' | 'voice' | 'video'

/** MIME types that each kind accepts. */
const kinds: Readonly<Record<MediaType, RegExp>> = {
  photo: /^image\//,
  audio: /^audio\//,
  voice: /^audio\//,
  video: /^video\//,
  document: /^/,
}

const sendInput = z.strictObject({
  path: pathField,
  media_type: z
    .enum(['photo', 'audio', 'document', 'voice', 'video'])
    .meta(evident('How the file is shown; any file can be sent as a document.')),
  caption: z.string().max(maxCaptionCharacters).default('').meta(evident('Caption shown with the file.')),
})

export const mediaSend = defineCall({
  name: mediaCall,
  inTurn: true,
  summary: 'Sends a file to the person, with the reply.',
  input: sendInput,
  output: z.strictObject({
    media_type: z.enum(['photo', 'audio', 'document', 'voice', 'video']),
    name: z.string(),
    mime_type: z.string(),
    bytes: z.int(),
    pieces: z.array(z.string()).describe('Hashes of the pieces, in order; `media.read` returns one.'),
    caption: z.string(),
  }),
  example: { path: 'chart.png', media_type: 'photo', caption: 'Oxen by year' },
  tier: 'read_only',
  right: 'media.send',
  effect: 'idempotent',
  audience: ['model'],
  labels: { adds: [], sink: true, toPerson: true },
  timeoutMs: mediaTimeoutMs,
  recordOutput: (output) => ({ media: { ...output } }),
  async planned(input, _, context) {
    // It is read to say what would be refused; nothing of it is kept.
    const output = await sentFile(input, context, async () => null)
    return { output, text: `Planned: ${output.name} is sent when this plan is applied.` }
  },
  async run(input, context) {
    const output = await sentFile(input, context, (content) => context.blobs.keep(content))
    const { name, media_type, mime_type, bytes } = output
    const shown = 'A text terminal shows only its name; the person can save it with `oxbow media`.'
    return { output, text: `Sent ${name} as ${media_type}: ${mime_type}, ${plural(bytes, 'byte')}. ${shown}` }
  },
})

type KeepPiece = (content: Uint8Array) => Promise<string | null>

async function sentFile({ path: requestedPath, media_type, caption }: z.infer<typeof sendInput>, context: CallContext, keep: KeepPiece) {
  const path = toWorkspacePath(requestedPath)
  const { head, bytes, pieces } = await keepFile(path, context, keep)
  const mime = mediaTypeOf(head, '')
  if (!kinds[media_type].test(mime))
    throw new OxbowError('bad_input', `${path} is ${mime} and cannot be sent as ${media_type}.`, { hint: 'Send it as document.' })
  return { media_type, name: cleanFileName(path), mime_type: mime, bytes, pieces, caption }
}

async function keepFile(
  path: string,
  context: CallContext,
  keep: KeepPiece,
): Promise<{ head: Uint8Array; bytes: number; pieces: string[] }> {
  const pieces: string[] = []
  let head: Uint8Array | null = null
  let total = 1
  for (let offset = 0; offset < total;) {
    const read = await askHands(context, 'bytes', { path, offset, maxBytes: maxPieceBytes }, mediaTimeoutMs)
    if (head !== null && (read.totalBytes !== total || read.content.length === 0)) {
      throw new OxbowError('tool_failed', `${path} changed while it was being read.`, {
        hint: 'Send it again when nothing is writing to it.',
      })
    }
    total = read.totalBytes
    if (total === 0) throw new OxbowError('bad_input', `${path} is empty.`, { hint: 'Send a file that is not empty.' })
    if (total > maxMediaBytes) {
      throw new OxbowError('limit_reached', `${path} has ${total} bytes; the limit is ${maxMediaBytes}.`, {
        hint: 'Send a smaller or compressed version, or give its path in the reply.',
      })
    }
    head ??= read.content
    const kept = await keep(read.content)
    if (kept !== null) pieces.push(kept)
    offset += read.content.length
  }
  return { head: head ?? new Uint8Array(), bytes: total, pieces }
}

type SaveInput = z.infer<typeof saveInput>
const saveInput = z.strictObject({
  index: z.int().min(0).meta(evident('Index of the attachment, as shown in the message.')),
  name: z.string().max(200).meta(evident('Its name, for one of an earlier message; the newest of that name counts.')).optional(),
  path: pathField,
  overwrite: overwriteField,
})

export const attachmentSave = (seen: SeenFiles): Call =>
  defineCall({
    name: 'attachment.save',
    reaches: { kind: 'paths', fields: ['path'] },
    inTurn: true,
    summary: 'Saves a file attached to a message.',
    input: saveInput,
    output: z.strictObject({
      saved: z.boolean(),
      path: z.string(),
      mime_type: z.string(),
      bytes_written: z.int(),
      created: z.boolean(),
      hash: z.string(),
      source_index: z.int(),
    }),
    example: { index: 0, path: 'photo.png', overwrite: false },
    tier: 'side_effecting',
    does: ['overwrite'],
    right: 'attachment.save',
    files: 'writes',
    effect: 'once',
    audience: ['model'],
    labels: { adds: [], sink: false },
    timeoutMs: attachmentTimeoutMs,
    async run(input, context) {
      const attachment = choose(input, await context.attachments())
      const path = toWorkspacePath(input.path)
      const { bytes, created, hash, was } = await putPieces(attachment, path, input.overwrite, context)
      const facts = { mime_type: attachment.media_type, bytes_written: bytes, created, hash, source_index: attachment.index }
      const changed = seen.replace(context.caller, path, was, hash)
        ? ' The replaced file had been changed by someone else since you last read it.'
        : ''
      const replaced = created ? '' : ', replacing the existing file'
      const text = `Saved attachment ${attachment.index} to ${path}${replaced}: ${plural(bytes, 'byte')}, ${attachment.media_type} (hash ${hash}).${changed}`
      return { output: { saved: true, path, ...facts }, text }
    },
  })

/** Without a name, this turn's files come before earlier turns' files, which may have the same index. */
function choose({ index, name }: Pick<SaveInput, 'index' | 'name'>, attachments: readonly Attachment[]): Attachment {
  const found = attachments.find((each) => (name === undefined ? each.index === index : each.name === name))
  if (found === undefined) {
    if (attachments.length === 0)
      throw new OxbowError('not_found', 'Nothing is attached to the messages of this conversation.', {
        hint: 'Ask the person to attach it.',
      })
    const listed = attachments
      .slice(0, maxListed)
      .map((each) => `${each.index}: ${JSON.stringify(each.name)}${each.earlier ? ' (earlier)' : ''}`)
    throw new OxbowError(
      'not_found',
      name === undefined ? `There is no attachment ${index}.` : `Nothing attached is named ${JSON.stringify(name)}.`,
      {
        hint: `Attached are ${listed.join(', ')}.`,
      },
    )
  }
  if (found.bytes <= maxSavedBytes) return found
  throw new OxbowError('limit_reached', `Attachment ${found.index} has ${found.bytes} bytes; the limit is ${maxSavedBytes}.`, {
    hint: 'Ask the person to put it into the `shared` folder of the workspace.',
  })
}

/** Attachments that an error names. */
const maxListed = 10

/** All or nothing: hands create the file when its last piece has arrived. */
async function putPieces(
  { pieces }: Attachment,
  path: string,
  overwrite: boolean,
  context: CallContext,
): Promise<HandsOps['put']['output']> {
  let offset = 0
  let done: HandsOps['put']['output'] = { bytes: 0, created: false, hash: '', was: '' }
  for (const [i, hash] of pieces.entries()) {
    const content = await context.blobs.read(hash)
    if (content === null)
      throw new OxbowError('not_found', 'Part of this attachment is missing.', { hint: 'Ask the person to attach it again.' })
    const last = i === pieces.length - 1
    done = await askHands(context, 'put', { path, upload: context.id, offset, content, last, overwrite }, attachmentTimeoutMs)
    offset += content.length
  }
  return done
}

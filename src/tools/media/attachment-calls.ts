/** `attachment.save`: puts a file that came with a message of this turn into the workspace. */
import { z } from 'zod'
import { type Attachment, type Call, type CallContext, type HandsOps, OxbowError } from '../../types/index.ts'
import { attachmentTimeoutMs, maxSavedBytes } from '../limits.ts'
import { askHands, pathArgument, plural, type SeenFiles, toWorkspacePath } from '../workspace-arguments.ts'

interface SaveInput {
  index: number
  path: string
  overwrite: boolean
}
interface SaveOutput {
  saved: boolean
  path: string
  mime_type: string
  bytes_written: number
  created: boolean
  hash: string
  source_index: number
}

export const attachmentSave = (seen: SeenFiles): Call<SaveInput, SaveOutput> => ({
  name: 'attachment.save',
  summary: 'Saves a file that the person attached to a message of this turn.',
  input: z.strictObject({
    index: z.int().min(0).describe('Index of the attachment, as the message names it.'),
    path: pathArgument.describe('File to write, under /shared or /tmp. Relative paths start at /shared.'),
    overwrite: z.boolean().default(false).describe('Replaces a file that stands there.'),
  }),
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
  right: 'attachment.save',
  effect: 'once',
  audience: ['model'],
  labels: { adds: [], sink: false },
  timeoutMs: attachmentTimeoutMs,
  async run(input, context) {
    const attachment = choose(input.index, context.attachments())
    const path = toWorkspacePath(input.path)
    const { bytes, created, hash, was } = await putPieces(attachment, path, input.overwrite, context)
    const facts = { mime_type: attachment.media_type, bytes_written: bytes, created, hash, source_index: input.index }
    const changed = seen.replace(context.caller, path, was, hash)
      ? ' Somebody else had changed the file that it replaces since you last read it.'
      : ''
    const replaced = created ? '' : ', in place of the file that was there'
    const text = `Saved attachment ${input.index} to ${path}${replaced}: ${plural(bytes, 'byte')}, ${attachment.media_type} (hash ${hash}).${changed}`
    return { output: { saved: true, path, ...facts }, text }
  },
})

function choose(index: number, attachments: readonly Attachment[]): Attachment {
  const found = attachments.find((each) => each.index === index)
  if (found === undefined) {
    const hint = 'Only files that came with the messages of this turn can be saved: ask the person to attach it again.'
    if (attachments.length === 0) throw new OxbowError('not_found', 'Nothing is attached to this message.', { hint })
    const last = attachments.length - 1
    throw new OxbowError('not_found', `There is no attachment ${index}.`, { hint: `Use an index from 0 to ${last}. ${hint}` })
  }
  if (found.bytes <= maxSavedBytes) return found
  throw new OxbowError('limit_reached', `Attachment ${index} has ${found.bytes} bytes; ${maxSavedBytes} is the most.`, {
    hint: 'Ask the person to put it into the folder shared of the workspace.',
  })
}

/** Whole or not at all: hands show the file when its last piece has come. */
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
      throw new OxbowError('not_found', 'A part of this attachment is lost.', { hint: 'Ask the person to attach it again.' })
    const last = i === pieces.length - 1
    done = await askHands(context, 'put', { path, upload: context.id, offset, content, last, overwrite }, attachmentTimeoutMs)
    offset += content.length
  }
  return done
}

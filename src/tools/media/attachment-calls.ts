/** `attachment.save`: puts a file that came with a message of this turn into the workspace. */
import { z } from 'zod'
import { type Attachment, type Call, type CallContext, OxbowError } from '../../types/index.ts'
import { attachmentTimeoutMs, maxSavedBytes } from '../limits.ts'
import { askHands, pathArgument, plural, toWorkspacePath } from '../workspace-arguments.ts'

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
  source_index: number
}

export const attachmentSave: Call<SaveInput, SaveOutput> = {
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
    const written = await putPieces(attachment, path, input.overwrite, context)
    const output = { saved: true, path, mime_type: attachment.media_type, bytes_written: written, source_index: input.index }
    return { output, text: `Saved attachment ${input.index} to ${path}: ${plural(written, 'byte')}, ${attachment.media_type}.` }
  },
}

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

/** Whole or not at all: hands show the file when its last piece has come. @returns how much was written. */
async function putPieces({ pieces }: Attachment, path: string, overwrite: boolean, context: CallContext): Promise<number> {
  let offset = 0
  for (const [i, hash] of pieces.entries()) {
    const content = await context.blobs.read(hash)
    if (content === null)
      throw new OxbowError('not_found', 'A part of this attachment is lost.', { hint: 'Ask the person to attach it again.' })
    const last = i === pieces.length - 1
    await askHands(context, 'put', { path, upload: context.id, offset, content, last, overwrite }, attachmentTimeoutMs)
    offset += content.length
  }
  return offset
}

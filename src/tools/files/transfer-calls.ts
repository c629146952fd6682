/**
 * Whole files for people and programs, of any size and kind, piece by piece as base64: the gateway downloads and uploads files with
 * these calls. A piece is neither shown to a model nor kept in the journal, which records the path, the place and the size. Bytes are
 * what they are: secrets in them are not replaced by handles, or a file would arrive damaged.
 */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { changeTimeoutMs, maxPieceCharacters, maxTransferPieceBytes, maxUploadBytes, readTimeoutMs } from '../limits.ts'
import { askHands, changing, looking, overwriteField, pathField, toWorkspacePath } from '../workspace-arguments.ts'

const fileDownload = defineCall({
  ...looking,
  name: 'file.download',
  reaches: { kind: 'paths', fields: ['path'] },
  summary: 'Reads a piece of a file as base64, for a person: nothing in it is hidden or kept.',
  input: z.strictObject({
    path: pathField,
    offset: z.int().min(0).default(0).describe('First byte to read, counted from 0.'),
    max_bytes: z.int().min(1).max(maxTransferPieceBytes).default(maxTransferPieceBytes).describe('Maximum number of bytes.'),
  }),
  output: z.strictObject({
    path: z.string(),
    base64: z.string(),
    offset: z.int(),
    bytes: z.int(),
    total_bytes: z.int(),
    modified_at: z.number(),
  }),
  example: { path: 'report.pdf', offset: 0, max_bytes: 65_536 },
  audience: ['terminal'],
  labels: { adds: ['untrusted', 'private'], sink: false },
  timeoutMs: readTimeoutMs,
  reveals: true,
  recordOutput: ({ bytes, total_bytes }) => ({ bytes, total_bytes }),
  async run({ path: requestedPath, offset, max_bytes: maxBytes }, context) {
    const path = toWorkspacePath(requestedPath)
    const { content, totalBytes, modifiedMs } = await askHands(context, 'bytes', { path, offset, maxBytes }, readTimeoutMs)
    const base64 = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64')
    return { output: { path, base64, offset, bytes: content.length, total_bytes: totalBytes, modified_at: modifiedMs } }
  },
})

const fileUpload = defineCall({
  ...changing,
  // Hands refuse a piece that they have already written.
  effect: 'idempotent',
  name: 'file.upload',
  reaches: { kind: 'paths', fields: ['path'] },
  summary: 'Writes a file in pieces, in order; the last one creates or replaces it, all at once.',
  input: z.strictObject({
    path: pathField,
    upload: z.uuid().describe('Id of this upload, a new UUID. One that is not continued for a minute is dropped.'),
    offset: z.int().min(0).describe('Length of the pieces before.'),
    base64: z.string().max(maxPieceCharacters).describe(`The piece, at most ${maxTransferPieceBytes} bytes.`),
    last: z.boolean().default(false).describe('Whether this is the last piece, which completes the file.'),
    overwrite: overwriteField,
  }),
  output: z.strictObject({ path: z.string(), bytes: z.int(), created: z.boolean(), hash: z.string() }),
  example: {
    path: 'notes/todo.md',
    upload: '01890a5d-ac96-774b-bcce-b302099a8057',
    offset: 0,
    base64: 'aGVsbG8=',
    last: true,
    overwrite: true,
  },
  audience: ['terminal'],
  timeoutMs: changeTimeoutMs,
  recordInput: ({ base64, ...rest }) => ({ ...rest, base64_characters: base64.length }),
  recordOutput: (output) => ({ ...output }),
  async run({ path: requestedPath, upload, offset, base64, last, overwrite }, context) {
    const path = toWorkspacePath(requestedPath)
    const content = Buffer.from(base64, 'base64')
    if (content.toString('base64') !== base64)
      throw new OxbowError('bad_input', 'The piece is not valid base64.', { hint: 'base64: with padding and without a prefix.' })
    if (offset + content.length > maxUploadBytes)
      throw new OxbowError('limit_reached', `An uploaded file has at most ${maxUploadBytes} bytes.`, {
        hint: 'Copy a larger file into the folder `shared` of the workspace.',
      })
    // Nobody continues the upload of another one.
    const owned = `${context.caller.actor.slice(0, 60)} ${upload}`
    const { bytes, created, hash } = await askHands(
      context,
      'put',
      { path, upload: owned, offset, content, last, overwrite },
      changeTimeoutMs,
    )
    return { output: { path, bytes, created, hash } }
  },
})

export const fileTransferCalls: readonly Call[] = [fileDownload, fileUpload]

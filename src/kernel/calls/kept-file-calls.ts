/** Calls by which terminals bring files in and take them out, piece by piece: what the journal keeps by its content. */
import { z } from 'zod'
import { type Blobs, type Call, maxPieceBytes, OxbowError } from '../../types/index.ts'
import { decodeBase64 } from '../attachments/take-in.ts'

export interface KeptFileCallDeps {
  readonly blobs: Blobs
}

/** Base64 of the largest piece. */
const maxPieceCharacters = Math.ceil(maxPieceBytes / 3) * 4

export function keptFileCalls(deps: KeptFileCallDeps): readonly Call[] {
  return [putPiece(deps), readPiece(deps)]
}

function putPiece({ blobs }: KeptFileCallDeps): Call<{ data: string }, { piece: string; bytes: number }> {
  return {
    name: 'attachment.put',
    summary: 'Keeps a piece of a file that is about to be attached to a message.',
    input: z.strictObject({
      data: z.string().min(1).max(maxPieceCharacters).describe(`The piece as base64, at most ${maxPieceBytes} bytes.`),
    }),
    output: z.strictObject({ piece: z.string(), bytes: z.int() }),
    example: { data: 'aGVsbG8=' },
    tier: 'side_effecting',
    right: 'turn.send',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    // The bytes are the blob; the outcome names it.
    recordInput: ({ data }) => ({ base64_characters: data.length }),
    recordOutput: (output) => ({ ...output }),
    async run({ data }) {
      const bytes = decodeBase64(data)
      if (bytes === null)
        throw new OxbowError('bad_input', 'The data is no base64.', { hint: 'data: base64 with padding, without a prefix.' })
      return { output: { piece: await blobs.keep(bytes), bytes: bytes.length } }
    },
  }
}

function readPiece({ blobs }: KeptFileCallDeps): Call<{ piece: string }, { data: string; bytes: number }> {
  return {
    name: 'media.read',
    summary: 'Reads a piece of a file that an agent has sent or a person has attached, as base64.',
    input: z.strictObject({
      piece: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be a hash of `pieces`')
        .describe('One hash of the `pieces` that the record names.'),
    }),
    output: z.strictObject({ data: z.string(), bytes: z.int() }),
    example: { piece: '0'.repeat(64) },
    tier: 'read_only',
    right: 'media.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['untrusted', 'private'], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ bytes }) => ({ bytes }),
    async run({ piece }) {
      const bytes = await blobs.read(piece)
      if (bytes === null) throw new OxbowError('not_found', `There is no piece ${piece}.`, { hint: 'Use a hash as the record has it.' })
      if (bytes.length > maxPieceBytes)
        throw new OxbowError('limit_reached', 'This is no piece of a file: it is too large.', { hint: 'Read it with output.read.' })
      return { output: { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'), bytes: bytes.length } }
    },
  }
}

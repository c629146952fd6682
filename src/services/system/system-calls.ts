/** Calls about the system itself: truncated outputs, the reference of calls, and those by which terminals move the bytes of files in and out. */
import { z } from 'zod'
import { callReference, type Core, decodeBase64, maxResultBytes } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type Call, defineCall, evident, maxPieceBytes, turnRight, putPieceCall, readOutputCall } from '../../protocol/index.ts'

type SystemCallDeps = Pick<Core, 'store' | 'keptOutputs' | 'references' | 'blobs'>

/** @param core where calls are only described, it has nothing but `config`: the rest is asked for when one runs */
export function systemCalls(core: SystemCallDeps): readonly Call[] {
  return [readOutput(core), listCalls(core), putPiece(core), readPiece(core)]
}

/** Leaves space for the line above the part, so that the result of this call is never truncated itself. */
const maxPartBytes = maxResultBytes - 512

function readOutput(core: SystemCallDeps): Call {
  return defineCall({
    name: readOutputCall,
    summary: 'Reads on in a truncated output, by the id that it names.',
    input: z.strictObject({
      id: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be the id that the truncated output names')
        .meta(evident('The id that the truncated output names.')),
      from_byte: z.int().nonnegative().default(0).meta(evident('Byte offset to start at.')),
      max_bytes: z.int().min(1).max(maxPartBytes).default(maxPartBytes).meta(evident('Maximum number of bytes to read.')),
    }),
    output: z.object({ text: z.string() }),
    example: { id: '0'.repeat(64), from_byte: 16_000, max_bytes: 8_000 },
    tier: 'read_only',
    right: 'file.read',
    effect: 'none',
    audience: ['model', 'terminal'],
    labels: { adds: ['untrusted'], sink: false },
    timeoutMs: 10_000,
    async run({ id, from_byte: from, max_bytes: max }) {
      const bytes = await core.store.blob(id)
      if (bytes === null)
        throw new OxbowError('not_found', `There is no stored output ${id}.`, {
          hint: 'Use the id exactly as the truncated output names it.',
        })
      const to = Math.min(bytes.length, from + max)
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', from, to)
      const more = to < bytes.length ? `${bytes.length - to} more bytes, next from_byte ${to}` : 'the end'
      return { output: { text }, text: `[bytes ${from}–${to} of ${bytes.length}; ${more}]\n${text}`, labels: core.keptOutputs.labelsOf(id) }
    },
  })
}

function listCalls(core: SystemCallDeps): Call {
  return defineCall({
    name: 'system.calls',
    routes: [{ method: 'GET', path: '/calls', list: '' }],
    summary: 'Lists every system call with its right, tier and schema.',
    input: z.strictObject({}),
    output: z.array(callReference).readonly(),
    example: {},
    tier: 'read_only',
    right: 'system.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: (output) => ({ calls: output.length }),
    run: async () => ({ output: core.references() }),
  })
}

/** Base64 of the largest piece. */
const maxPieceCharacters = Math.ceil(maxPieceBytes / 3) * 4

function putPiece(core: SystemCallDeps): Call {
  return defineCall({
    name: putPieceCall,
    summary: 'Stores a piece of a file that will be attached to a message.',
    input: z.strictObject({
      data: z.string().min(1).max(maxPieceCharacters).describe(`The piece as base64, at most ${maxPieceBytes} bytes.`),
    }),
    output: z.strictObject({ piece: z.string(), bytes: z.int() }),
    example: { data: 'aGVsbG8=' },
    tier: 'side_effecting',
    right: turnRight,
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 30_000,
    // The journal keeps the bytes as a blob; the outcome holds its hash.
    recordInput: ({ data }) => ({ base64_characters: data.length }),
    recordOutput: (output) => ({ ...output }),
    async run({ data }) {
      const bytes = decodeBase64(data)
      if (bytes === null)
        throw new OxbowError('bad_input', 'The data is not valid base64.', { hint: 'Send base64 with padding and without a prefix.' })
      return { output: { piece: await core.blobs.keep(bytes), bytes: bytes.length } }
    },
  })
}

function readPiece(core: SystemCallDeps): Call {
  return defineCall({
    name: 'media.read',
    summary: 'Reads a piece of a file that an agent sent or a person attached, as base64.',
    input: z.strictObject({
      piece: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be a hash from `pieces`')
        .describe('A hash from the `pieces` of the record.'),
    }),
    output: z.strictObject({ data: z.string(), bytes: z.int() }),
    example: { piece: '0'.repeat(64) },
    tier: 'read_only',
    right: 'media.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['untrusted', 'private'], sink: false },
    timeoutMs: 30_000,
    // As it is, as `file.download`: a file in which a secret were replaced would arrive damaged.
    reveals: true,
    recordOutput: ({ bytes }) => ({ bytes }),
    async run({ piece }) {
      const bytes = await core.blobs.read(piece)
      if (bytes === null)
        throw new OxbowError('not_found', `There is no piece ${piece}.`, { hint: 'Use a hash from the `pieces` of the record.' })
      if (bytes.length > maxPieceBytes)
        throw new OxbowError('limit_reached', 'This is not a piece of a file: it is too large.', { hint: 'Read it with output.read.' })
      return { output: { data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'), bytes: bytes.length } }
    },
  })
}

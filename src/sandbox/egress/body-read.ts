/** Reads a body to its limit, unpacked. What is packed small and large inside (a decompression bomb) stops at the same limit. */
import type { IncomingMessage } from 'node:http'
import type { Transform } from 'node:stream'
import { OxbowError } from '../../types/index.ts'

export interface Body {
  readonly bytes: Buffer
  /** There was more than the limit. */
  readonly cut: boolean
}

/**
 * @param maxBytes bounds what was sent and what is unpacked, each
 * @throws OxbowError `tool_failed` for an encoding nobody asked for, `limit_reached` for one that only grows; else the stream's own error
 */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Body> {
  const source = unpacked(message, maxBytes)
  const chunks: Buffer[] = []
  let room = maxBytes
  // Leaving the loop early destroys the stream, and with it the connection.
  for await (const chunk of source as AsyncIterable<Buffer>) {
    chunks.push(chunk.subarray(0, room))
    if (chunk.length > room) return { bytes: Buffer.concat(chunks), cut: true }
    room -= chunk.length
  }
  return { bytes: Buffer.concat(chunks), cut: false }
}

function unpacked(message: IncomingMessage, maxBytes: number): AsyncIterable<unknown> {
  const encoding = (message.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity' || encoding === '') return message
  const unpack = createUnpack(encoding)
  if (unpack === null) {
    message.destroy()
    throw new OxbowError('tool_failed', 'The server packed its answer in a way that was not asked for.', {
      hint: 'This page cannot be read; try another source.',
      data: { encoding: encoding.slice(0, 100) },
    })
  }
  // Errors of either end reach the reader through the last stream.
  process.getBuiltinModule('node:stream').pipeline(message, bounded(maxBytes), unpack, () => {})
  return unpack
}

function createUnpack(encoding: string): Transform | null {
  const zlib = process.getBuiltinModule('node:zlib')
  // A packed body whose end is missing gives what is there, as with browsers.
  if (encoding === 'gzip' || encoding === 'x-gzip') return zlib.createGunzip({ finishFlush: zlib.constants.Z_SYNC_FLUSH })
  if (encoding === 'br') return zlib.createBrotliDecompress({ finishFlush: zlib.constants.BROTLI_OPERATION_FLUSH })
  return null
}

function unpackable(): OxbowError {
  return new OxbowError('limit_reached', 'The server sends a packed answer that is larger packed than unpacked.', {
    hint: 'This page cannot be read; try another source.',
  })
}

/** Ends a packed body that unpacks to nothing and never ends. */
function bounded(maxBytes: number): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    let room = maxBytes
    for await (const chunk of source) {
      room -= chunk.length
      if (room < 0) throw unpackable()
      yield chunk
    }
  }
}

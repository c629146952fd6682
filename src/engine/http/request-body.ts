/**
 * The body of a request, in pieces: what many requests share is a piece of its own, encoded once. The tools of an agent are most
 * of what a short conversation sends, and copied for each request they would be most of what a turn leaves for the garbage collector.
 */
import type { ToolSpec } from '../../types/index.ts'

/** JSON text, in order; bytes are the same object in every request that has them. */
export type BodyPieces = readonly (string | Buffer)[]

/** @param write JSON text for the tools of a request. @returns its bytes, made once for each list of tools as long as that lives */
export function createToolsPiece(write: (tools: readonly ToolSpec[]) => string): (tools: readonly ToolSpec[]) => Buffer {
  const known = new WeakMap<readonly ToolSpec[], Buffer>()
  return (tools) => {
    let made = known.get(tools)
    if (made === undefined) known.set(tools, (made = Buffer.from(write(tools))))
    return made
  }
}

export function bytesOf(pieces: BodyPieces): readonly Buffer[] {
  return pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece))
}

export function lengthOf(pieces: BodyPieces): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

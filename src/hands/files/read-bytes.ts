/** Reads a range of any file, as base64: the frames carry text. */
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { maxReadBytes, readBlockBytes } from '../limits.ts'
import { openRegularFile } from './workspace-path.ts'
import type { Root } from './workspace-path.ts'

export async function readBytes(
  roots: readonly Root[],
  input: HandsOps['bytes']['input'],
  signal: AbortSignal,
): Promise<HandsOps['bytes']['output']> {
  const { file, virtual, stats } = await openRegularFile(roots, input.path)
  try {
    const left = Math.max(0, stats.size - input.offset)
    const range = Buffer.allocUnsafe(Math.min(left, input.maxBytes, maxReadBytes))
    let filled = 0
    while (filled < range.length) {
      throwIfCancelled(signal)
      const { bytesRead } = await file.read(range, filled, Math.min(readBlockBytes, range.length - filled), input.offset + filled)
      // The file became shorter meanwhile.
      if (bytesRead === 0) break
      filled += bytesRead
    }
    const base64 = range.toString('base64', 0, filled)
    return { base64, offset: input.offset, bytes: filled, totalBytes: stats.size }
  } catch (error) {
    throw fromSystemError(error, virtual)
  } finally {
    await file.close()
  }
}

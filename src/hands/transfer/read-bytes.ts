/** Reads a range of any file. */
import type { HandsOps } from '../../types/index.ts'
import { fromSystemError, throwIfCancelled } from '../failure.ts'
import { maxReadBytes, readBlockBytes } from '../limits.ts'
import { openRegularFile } from '../files/workspace-path.ts'
import type { Root } from '../files/workspace-path.ts'

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
    return { content: range.subarray(0, filled), offset: input.offset, totalBytes: stats.size }
  } catch (error) {
    throw fromSystemError(error, virtual)
  } finally {
    await file.close()
  }
}

import { failed } from '../failure.ts'
import { maxEditBytes } from '../limits.ts'
import { notText } from './read-file.ts'
import { openRegularFile } from './workspace-path.ts'
import type { Place, Root } from './workspace-path.ts'

export interface WholeText {
  /** `real` has every link followed. */
  readonly place: Place
  readonly text: string
  readonly mode: number
}

/** A text file that is to be written back: byte for byte what its text says. @throws `not_text`, `limit_reached` or as opening does. */
export async function readWholeText(roots: readonly Root[], path: string): Promise<WholeText> {
  const { file, stats, virtual, real } = await openRegularFile(roots, path)
  try {
    if (stats.size > maxEditBytes) {
      throw failed('limit_reached', `${virtual} is too large to edit (${stats.size} bytes).`, 'Use a command such as sed.')
    }
    const bytes = await file.readFile()
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    // Bytes that do not survive the way through text would be damaged by writing it back.
    if (bytes.includes(0) || !Buffer.from(text).equals(bytes)) throw notText(virtual, stats.size)
    return { place: { virtual, real }, text, mode: stats.mode & 0o777 }
  } finally {
    await file.close()
  }
}

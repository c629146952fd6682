/** What changed, as verbs of versions and branches show it. */
import { plainLine, plainText } from '../../terminal/index.ts'
import type { Difference } from './version-schemas.ts'

/** Of the name of a version. */
export const shortLength = 8

/** @param words for what happens to a file; default: the change itself */
export function changeLines(
  { changes, total }: Pick<Difference, 'changes' | 'total'>,
  words: (change: string) => string = (change) => change.padEnd(7),
): readonly string[] {
  const lines = changes.map(({ path, change }) => `${words(change)}  ${plainLine(path, 400)}`)
  return total > changes.length ? [...lines, `… and ${total - changes.length} more`] : lines
}

export function differenceText({ text, ...changed }: Difference): string {
  return changed.total === 0 ? 'Nothing changed.' : `${changeLines(changed).join('\n')}\n\n${plainText(text)}`
}

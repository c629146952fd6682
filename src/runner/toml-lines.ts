/** Finds where a key stands in TOML text: the parser gives values without places. */

/**
 * @param key path of the key, outermost table first
 * @returns the line, counted from 1, of the longest part of the path that is written there; 1 when none is. A guess for people:
 * keys inside inline tables and multi-line strings are not looked into.
 */
export function lineOfKey(text: string, key: readonly string[]): number {
  let best = { line: 1, depth: 0 }
  let table: readonly string[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1]
    const assigned = header === undefined ? /^\s*([^=#]+?)\s*=/.exec(line)?.[1] : undefined
    if (header !== undefined) table = partsOf(header)
    const path = assigned === undefined ? table : [...table, ...partsOf(assigned)]
    const isPrefix = path.every((part, at) => part === key[at])
    if ((header ?? assigned) !== undefined && isPrefix && path.length > best.depth) best = { line: index + 1, depth: path.length }
  }
  return best.line
}

/** Parts of a dotted key; a quoted part may hold dots. */
function partsOf(dotted: string): readonly string[] {
  return [...dotted.matchAll(/"([^"]*)"|'([^']*)'|([^.\s"']+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

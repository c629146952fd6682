/**
 * Globs as the source of a regular expression: `*` and `?` within a name, `**` across folders, `[abc]`, `\` before a character
 * that is meant as it is. Searches know `{a,b}` too, which is plain text in an ignore file. Left out: `[[:alpha:]]`.
 */

const step = /\/\*\*$|\*\*\/|\*+|\[[!^]?\]?(?:\\.|[^\]\\/])*\]|\\[^]|[^]/g

/** What is compiled from it may be no expression, as for a set whose ends are swapped: whoever compiles it finds out. */
export function globSource(glob: string, braces: boolean): string {
  let source = ''
  let open = 0
  for (const { 0: found, index } of glob.matchAll(step)) {
    if (braces && found === '{' && glob.includes('}', index)) {
      source += '(?:'
      open += 1
    } else if (open > 0 && found === '}') {
      source += ')'
      open -= 1
    } else if (open > 0 && found === ',') source += '|'
    // Two stars are more than one only where they are a whole part of the path.
    else if (found === '**/') source += index === 0 || /[/{,]/.test(glob[index - 1]!) ? '(?:.*/)?' : '[^/]*/'
    else source += found === glob && found === '**' ? '.*' : stepSource(found)
  }
  return source + ')'.repeat(open)
}

function stepSource(found: string): string {
  if (found === '/**') return '/.+'
  if (found === '?') return '[^/]'
  if (found.startsWith('*')) return '[^/]*'
  if (found.startsWith('[') && found.length > 1) return setSource(found)
  return plain(found.length > 1 ? found.slice(1) : found)
}

function setSource(set: string): string {
  const [, not, inside] = /^\[([!^]?)([^]*)\]$/.exec(set)!
  const source = inside!.replace(/\\([^])|[[\]^]/g, (found: string, escaped?: string) => plain(escaped ?? found))
  return not === '' ? `[${source}]` : `(?!/)[^${source}]`
}

function plain(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')
}

/**
 * Patterns that strangers write. A regular expression can take exponential time; V8 cannot bound that itself, but `vm` can
 * stop the code that runs it, so every match is made under a time limit.
 */
import { failed } from '../failure.ts'
import { maxPatternCharacters, patternTimeoutMs } from '../limits.ts'

/** Runs work and stops it, also in the middle of a regular expression. @throws the failure `bad_input` at the time limit. */
export type Guard = <T>(work: () => T) => T

/** @returns a guard with its own small context; about 0.2 ms for each use. */
export function createGuard(): Guard {
  // Loaded on first use: a session that never searches does not pay for it.
  const vm = process.getBuiltinModule('node:vm')
  const context: { work: () => unknown } = { work: () => undefined }
  vm.createContext(context)
  const script = new vm.Script('work()')
  return <T>(work: () => T): T => {
    context.work = work
    try {
      return script.runInContext(context, { timeout: patternTimeoutMs }) as T
    } catch (error) {
      // Not `instanceof Error`: it comes from the other context, which has an Error of its own.
      if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw failed(
        'bad_input',
        'The pattern takes too long to match.',
        'Use a simpler pattern: avoid nested repeats such as (a+)+. If it is simple, a rule of an ignore file is not: pass all.',
      )
    }
  }
}

/** @throws `bad_input` for a text that is no regular expression. */
export function toPattern(text: string, regex: boolean, ignoreCase: boolean): RegExp {
  if (text === '') throw failed('bad_input', 'The pattern is empty.', 'Pass a pattern.')
  if (text.length > maxPatternCharacters) throw failed('bad_input', 'The pattern is too long.', 'Use a shorter one.')
  // `(?i)` in front is how other engines are told what the flag says here.
  const inline = regex && text.startsWith('(?i)')
  const source = regex ? text.slice(inline ? 4 : 0) : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const flags = ignoreCase || inline ? 'i' : ''
  try {
    return new RegExp(source, `${flags}u`)
  } catch {
    // Outside Unicode mode more is allowed, such as an escaped character that needs no escape.
    try {
      return new RegExp(source, flags)
    } catch {
      throw failed('bad_input', `Not a regular expression: ${text}`, 'Use JavaScript syntax, or search for plain text.')
    }
  }
}

/**
 * A glob without a slash is matched against the name alone, one with a slash against the path below the folder that is searched.
 * @returns null for an empty glob: everything
 */
export function toGlob(glob: string): ((path: string) => boolean) | null {
  if (glob === '') return null
  if (glob.length > maxPatternCharacters) throw failed('bad_input', 'The glob is too long.', 'Use a shorter one.')
  const pattern = toGlobPattern(glob, globSource(glob.replace(/^\.?\//, ''), true))
  const wholePath = glob.includes('/')
  return (path) => pattern.test(wholePath ? path : path.slice(path.lastIndexOf('/') + 1))
}

function toGlobPattern(glob: string, source: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`, 's')
  } catch {
    throw failed('bad_input', `Not a glob: ${glob}`, 'Use forms such as *.ts or src/**/*.{js,ts}.')
  }
}

// Globs as the source of a regular expression: `*` and `?` within a name, `**` across folders, `[abc]`, `\` before a character
// that is meant as it is. Searches know `{a,b}` too, which is plain text in an ignore file. Left out: `[[:alpha:]]`.

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

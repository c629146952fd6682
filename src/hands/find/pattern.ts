/**
 * Untrusted patterns. A regular expression can take exponential time; V8 has no limit for that, but `vm` can interrupt the code that runs
 * it, so every match has a timeout.
 */
import { failed } from '../failure.ts'
import { maxPatternCharacters, patternTimeoutMs } from '../limits.ts'

/** Runs work and interrupts it at the timeout, even inside a regular expression. @throws the failure `bad_input` at the time limit. */
export type Guard = <T>(work: () => T) => T

/** @returns a guard with its own small context; about 0.2 ms for each use. */
export function createGuard(): Guard {
  // Loaded on first use.
  const vm = process.getBuiltinModule('node:vm')
  const context: { work: () => unknown } = { work: () => undefined }
  vm.createContext(context)
  const script = new vm.Script('work()')
  return <T>(work: () => T): T => {
    context.work = work
    try {
      return script.runInContext(context, { timeout: patternTimeoutMs }) as T
    } catch (error) {
      // Not `instanceof Error`: it comes from the other context, which has its own Error.
      if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      throw failed(
        'bad_input',
        'The pattern takes too long to match.',
        'Use a simpler pattern: avoid nested repeats such as (a+)+. If it is simple, the cause is a rule in an ignore file: set all.',
      )
    }
  }
}

/** @throws `bad_input` for an invalid regular expression. */
export function toPattern(text: string, regex: boolean, ignoreCase: boolean): RegExp {
  if (text === '') throw failed('bad_input', 'The pattern is empty.', 'Pass a pattern.')
  if (text.length > maxPatternCharacters) throw failed('bad_input', 'The pattern is too long.', 'Use a shorter one.')
  // Other engines take `(?i)` in front instead of the flag.
  const inline = regex && text.startsWith('(?i)')
  const source = regex ? text.slice(inline ? 4 : 0) : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const flags = ignoreCase || inline ? 'i' : ''
  try {
    return new RegExp(source, `${flags}u`)
  } catch {
    // Without Unicode mode, which rejects needless escapes.
    try {
      return new RegExp(source, flags)
    } catch {
      throw failed('bad_input', `Not a regular expression: ${text}`, 'Use JavaScript syntax, or search for plain text.')
    }
  }
}

/**
 * A glob without a slash is matched against the name alone, one with a slash against the path relative to the searched folder.
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

// Globs as the source of a regular expression: `*` and `?` within a name, `**` across folders, `[abc]`, `\` before a literal character.
// Searches also support `{a,b}`, which is plain text in an ignore file. Not supported: `[[:alpha:]]`.

const step = /\/\*\*$|\*\*\/|\*+|\[[!^]?\]?(?:\\.|[^\]\\/])*\]|\\[^]|[^]/g

/** The result may not compile, as for a set whose ends are swapped. */
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
    // `**` differs from `*` only as a whole path component.
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

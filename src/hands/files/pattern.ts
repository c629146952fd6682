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
      throw failed('bad_input', 'The pattern takes too long to match.', 'Use a simpler pattern: avoid nested repeats such as (a+)+.')
    }
  }
}

/** @throws `bad_input` for a text that is no regular expression. */
export function toPattern(text: string, regex: boolean, ignoreCase: boolean): RegExp {
  if (text === '') throw failed('bad_input', 'The pattern is empty.', 'Say what to look for.')
  if (text.length > maxPatternCharacters) throw failed('bad_input', 'The pattern is too long.', 'Use a shorter one.')
  const source = regex ? text : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  const flags = ignoreCase ? 'i' : ''
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
 * Globs: `*` and `?` within a name, `**` across folders, `[abc]`, `{a,b}`. A glob without a slash is matched against the name
 * alone, one with a slash against the path below the folder that is searched.
 * @returns null for an empty glob: everything
 */
export function toGlob(glob: string): ((path: string) => boolean) | null {
  if (glob === '') return null
  if (glob.length > maxPatternCharacters) throw failed('bad_input', 'The glob is too long.', 'Use a shorter one.')
  let source = ''
  let braces = 0
  for (let i = 0; i < glob.length; i += 1) {
    const rest = glob.slice(i)
    const set = /^\[[^\]/]+\]/.exec(rest)?.[0]
    if (rest.startsWith('**/')) {
      source += '(?:.*/)?'
      i += 2
    } else if (rest.startsWith('**')) {
      source += '.*'
      i += 1
    } else if (set !== undefined) {
      source += set.replace(/^\[!/, '[^').replaceAll('\\', '\\\\')
      i += set.length - 1
    } else if (glob[i] === '{' && rest.includes('}')) {
      source += '(?:'
      braces += 1
    } else if (glob[i] === '}' && braces > 0) {
      source += ')'
      braces -= 1
    } else if (glob[i] === ',' && braces > 0) source += '|'
    else if (glob[i] === '*') source += '[^/]*'
    else if (glob[i] === '?') source += '[^/]'
    else source += glob[i]!.replace(/[\\^$.+()[\]{}|]/g, '\\$&')
  }
  const pattern = toGlobPattern(glob, source)
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

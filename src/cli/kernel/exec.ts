/** `oxbow exec`: programs that may be started without a shell, and the run of one. */
import { OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest-connection.ts'
import { printLine, printPreview, type Terminal } from '../terminal.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showOutput } from './call.ts'

const patternChars = 200

export function execList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['exec.rules', {}], options, terminal, ({ shell, env, patterns }) => {
    const rows = patterns.map(({ list, pattern, from }) => [list, plainLine(pattern, patternChars), from])
    const allowed = patterns.some(({ list }) => list === 'allow')
    return [
      ...(rows.length === 0 ? [] : [table(rows)]),
      ...(allowed ? [] : ['No program may be run without a shell yet: `oxbow exec allow "git status"` allows one.']),
      `Variables that a call may set: ${env.length === 0 ? 'none' : plainLine(env.join(' '), patternChars)}`,
      `Shells: ${shell ? 'on; the allow list does not apply to their commands' : 'off'}`,
    ].join('\n')
  })
}

/** @param words of one pattern */
export function execChange(
  change: 'allow' | 'deny' | 'remove',
  words: readonly string[],
  options: DryRunOptions,
  terminal: Terminal,
): Promise<number> {
  const pattern = words.join(' ')
  if (options.dryRun === true) {
    return withGuest(options, terminal, async ({ gateway }) => {
      const { patterns } = await outputOf(gateway, 'exec.rules', {})
      const target = patterns.find((each) => each.pattern === pattern)
      if (target !== undefined)
        return printPreview({ would: `remove ${plainLine(pattern, patternChars)} from the list ${target.list}`, target }, options, terminal)
      throw new OxbowError('not_found', `no list has ${JSON.stringify(pattern)}`, { hint: '`oxbow exec list` shows them.' })
    })
  }
  const done = { allow: 'Allowed', deny: 'Denied', remove: 'Removed' }[change]
  return showOutput(['exec.change', { [change]: [pattern] }], options, terminal, () => `${done}: ${plainLine(pattern, patternChars)}`)
}

export interface RunOptions extends CallOptions {
  readonly cwd?: string | undefined
  readonly env?: readonly string[] | undefined
  readonly timeout?: number | undefined
}

/** As timeout(1) does. */
const timedOutExit = 124
/** As a shell does for a program that a signal ended, which one it does not tell. */
const signalledExit = 128

/** @returns the exit code of the program */
export function execRun(binary: string, args: readonly string[], options: RunOptions, terminal: Terminal): Promise<number> {
  const { cwd, env = [], timeout } = options
  const variables = env.map((text) => {
    const at = text.indexOf('=')
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
  })
  const input = {
    binary,
    args: [...args],
    ...(cwd !== undefined && { cwd }),
    ...(timeout !== undefined && { timeout_s: timeout }),
    ...(variables.length > 0 && { env: Object.fromEntries(variables) as Record<string, string> }),
  }
  return withGuest(options, terminal, async ({ gateway }) => {
    const ended = await outputOf(gateway, 'exec.run', input)
    if (options.json === true) printLine(terminal, JSON.stringify(ended))
    else {
      terminal.output.write(plainText(ended.stdout))
      terminal.errors.write(plainText(ended.stderr))
    }
    if (ended.timed_out) terminal.errors.write('oxbow: the program ran too long and was ended with all its processes\n')
    return ended.timed_out ? timedOutExit : (ended.exit_code ?? signalledExit)
  })
}

/** `oxbow exec run`: a program that is started without a shell. */
import { withGuest, outputOf } from '../guest-connection.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'
import { type CallOptions } from './call.ts'

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

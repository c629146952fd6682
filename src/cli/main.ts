/** The program `oxbow`. The version is answered before anything is loaded; everything else comes from the compile cache. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Terminal } from './terminal.ts'

/** As in package.json; a constant costs no start time, and a test compares the two. */
const version = '0.1.0'

const args = process.argv.slice(2)
if (args.length === 1 && args[0] === '--version') {
  process.stdout.write(`${version}\n`)
} else {
  const home = process.env['OXBOW_HOME'] || systemHome() || (process.env['HOME'] && join(process.env['HOME'], '.oxbow'))
  const cache = home ? cacheFolder(home) : null
  if (cache !== null) process.getBuiltinModule('node:module').enableCompileCache(cache)
  // Most of what a verb loads stays until its end: to copy it four times while it grows takes a tenth of a start. What serves is to stay small.
  if (args[0] !== undefined && args[0] !== 'serve') process.getBuiltinModule('node:v8').setFlagsFromString('--semi-space-growth-factor=16')
  // A verb uses a schema once or twice: to compile it would take 5 ms of a start.
  Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })
  const { beginEarly } = await import('./early-guest.ts')
  const begun = beginEarly(args, process.env)
  const { runProgram } = await import('./program.ts')
  const { printFailure } = await import('./terminal.ts')
  const { stdin: input, stdout: output, stderr: errors, env } = process
  let unwritten: Error | null = null
  // A reader such as `head` may close the pipe early; the work goes on to its end.
  errors.on('error', () => {})
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritten ??= error
  })
  // On a full disk a script must not take a part of the output for all of it.
  process.on('exit', () => {
    if (unwritten === null) return
    const hint = 'The end of the output is missing: free some disk space. The work itself is done and in the journal.'
    process.exitCode ||= printFailure({ errors }, { code: 'bad_input', message: `cannot write the output: ${unwritten.message}`, hint })
  })
  const settle = async (terminal: Terminal): Promise<void> => (await import('./spaces/move.ts')).finishLeft(terminal)
  process.exitCode = await runProgram(args, { input, output, errors, env, version, said: new Set(), begun, settle })
  begun?.end()
  // An open terminal would keep the program alive.
  input.destroy()
}

/** As in `src/runner/home.ts`, which takes time to load: the home that an administrator of this machine has given to this person. */
function systemHome(): string | null {
  const homes = join(process.env['OXBOW_SYSTEM_ROOT'] || '/var/lib/oxbow', 'users')
  if (!existsSync(homes)) return null
  try {
    const home = join(homes, process.getBuiltinModule('node:os').userInfo().username)
    return existsSync(home) ? home : null
  } catch {
    return null
  }
}

/**
 * Only its owner can enter the home: in a shared folder anybody could put code into the cache. Created one folder at a time, because
 * Node never returns when it creates parents where the system creates none, as in /proc.
 */
function cacheFolder(home: string): string | null {
  const runner = join(home, 'runner')
  const cache = join(runner, 'compile-cache')
  try {
    for (const folder of [home, runner, cache]) if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 })
    return cache
  } catch {
    // Without a cache it starts more slowly; opening the home reports what is wrong.
    return null
  }
}

/** The program `oxbow`. The version is answered before anything is loaded; everything else comes from the compile cache. */
import { join } from 'node:path'

/** As in package.json; a constant costs no start time, and a test compares the two. */
const version = '0.1.0'

const args = process.argv.slice(2)
if (args.length === 1 && args[0] === '--version') {
  process.stdout.write(`${version}\n`)
} else {
  const home = process.env['OXBOW_HOME'] || (process.env['HOME'] && join(process.env['HOME'], '.oxbow'))
  // In the home, which only its owner can enter: code from a cache in a shared folder could be anybody's.
  if (home) process.getBuiltinModule('node:module').enableCompileCache(join(home, 'runner', 'compile-cache'))
  const { runProgram } = await import('./program.ts')
  const { printFailure } = await import('./terminal.ts')
  const { stdin: input, stdout: output, stderr: errors, env } = process
  let unwritten: Error | null = null
  // Whoever reads, `head` above all, may have enough before we are done: the work goes on, and ends as it ends.
  errors.on('error', () => {})
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritten ??= error
  })
  // A disk that is full has cut off what a script will take for the whole.
  process.on('exit', () => {
    if (unwritten === null) return
    const hint = 'Its end is missing: see to the room on the disk. What an agent did is done, and in the journal.'
    process.exitCode ||= printFailure(
      { errors },
      { code: 'bad_input', message: `the output cannot be written: ${unwritten.message}`, hint },
    )
  })
  process.exitCode = await runProgram(args, { input, output, errors, env, version })
  // An open terminal would keep the program alive.
  input.destroy()
}

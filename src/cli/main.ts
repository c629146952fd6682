/** The program `oxbow`. The version is answered before anything is loaded; everything else comes from the compile cache. */
import { join } from 'node:path'
import { version } from './version.ts'

const args = process.argv.slice(2)
if (args.length === 1 && args[0] === '--version') {
  process.stdout.write(`${version}\n`)
} else {
  const home = process.env['OXBOW_HOME'] || (process.env['HOME'] && join(process.env['HOME'], '.oxbow'))
  // In the home, which only its owner can enter: code from a cache in a shared folder could be anybody's.
  if (home) process.getBuiltinModule('node:module').enableCompileCache(join(home, 'runner', 'compile-cache'))
  const { runProgram } = await import('./program.ts')
  const { stdin: input, stdout: output, stderr: errors, env } = process
  // Whoever reads, `head` above all, may have enough before we are done: the work goes on, and ends as it ends.
  for (const stream of [output, errors]) stream.on('error', () => {})
  process.exitCode = await runProgram(args, { input, output, errors, env, version })
  // An open terminal would keep the program alive.
  input.destroy()
}

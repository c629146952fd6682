/**
 * `oxbowd`: the daemon of a person, or with `--system`, as root, of a machine. It ends with SIGTERM or SIGINT, and its guests with it; they
 * come back with the next one. With `--keep` it is the part of the system's daemon that runs as a user: see user-process.ts; with `--log` it
 * reads the log of a user, as that user.
 */
import { returnMemory, toFailure } from '../../base/index.ts'

/** As in package.json; a constant costs no start time, and a test compares the two. */
const version = '0.1.0'

/** A schema is used once or twice. */
Object.assign(globalThis, { __zod_globalConfig: { jitless: true } })

/** Behind the start of the guests. */
const restMs = 5_000

const words = process.argv.slice(2)

async function main(): Promise<number> {
  if (words.includes('--version')) return say(version)
  if (words.includes('--help') || words.includes('-h')) return say(help)
  if (words[0] === '--log' && words.length === 3) return say((await import('../shown-log.ts')).logOf(words[1]!, words[2]!))
  const odd = words.find((word) => !['--system', '--keep'].includes(word))
  if (odd !== undefined) return refuse(`${JSON.stringify(odd)} is no option of oxbowd`, 'oxbowd --help')
  if (words.includes('--keep')) return (await import('../system/user-process.ts')).keepAsUser()
  setTimeout(returnMemory, restMs).unref()
  const { runDaemon } = await import('./run-daemon.ts')
  return runDaemon(words.includes('--system') ? 'system' : 'personal', process.env, version)
}

const help = `oxbowd: keeps the guests of Oxbow running.

  oxbowd            for the users of your home (OXBOW_HOME, else ~/.oxbow)
  oxbowd --system   as root: for the Unix users that were added with \`oxbow user add\`

\`oxbow service install\` makes the system start it. \`oxbow start\`, \`stop\` and \`status\` speak with it.`

function say(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

function refuse(message: string, hint: string): number {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`)
  return 2
}

try {
  process.exitCode = await main()
} catch (error) {
  const { message, hint } = toFailure(error, 'internal_failure', 'This is a bug in Oxbow.')
  process.exitCode = refuse(message, hint)
}

/** The guest of a verb that talks to one, begun before the verb is loaded. What it guesses wrong costs a process that ends at once. */
import { type BegunGuest, beginGuest, type HostEnv } from '../runner/index.ts'

/** Verbs that have little to do before they need a guest. No verb: the chat. */
const talking: ReadonlySet<string | undefined> = new Set(['serve', 'run', 'chat', 'tui', undefined])

/** Options with which a verb prints something and ends. */
const endsAtOnce: ReadonlySet<string> = new Set(['--help', '-h', '--version'])

/** User whose workspace is used when none is named. */
export const defaultUser = 'default'

/** @param args as typed @returns null for a verb that needs no guest, or where one runs already */
export function beginEarly(args: readonly string[], env: HostEnv): BegunGuest | null {
  const words = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined)
  const isTalk = talking.has(words[0]) || (words[0]?.startsWith('-') ?? false)
  if (!isTalk || words.some((word) => endsAtOnce.has(word))) return null
  return beginGuest(env, userIn(words) ?? defaultUser)
}

/** The last one counts. */
function userIn(words: readonly string[]): string | undefined {
  let user: string | undefined
  words.forEach((word, at) => {
    if (word === '--user') user = words[at + 1]
    else if (word.startsWith('--user=')) user = word.slice('--user='.length)
  })
  return user
}

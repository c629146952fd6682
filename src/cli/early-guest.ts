/** The guest of a verb that talks to one, begun before the verb is loaded. What it guesses wrong costs a process that ends at once. */
import { type BegunGuest, beginGuest, chosenWorkspace, type HostEnv } from '../runner/index.ts'

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
  return beginGuest(env, workspaceIn(words, env))
}

/** A name that cannot be one is refused by the verb. */
function workspaceIn(words: readonly string[], env: HostEnv): string {
  const [user, space] = [valueOf('--user', words), valueOf('--space', words)]
  try {
    return user !== undefined && space === undefined ? user : chosenWorkspace(env, user ?? defaultUser, space)
  } catch {
    return ''
  }
}

/** @returns the value of an option; the last one counts */
export function valueOf(option: string, words: readonly string[]): string | undefined {
  let value: string | undefined
  words.forEach((word, at) => {
    if (word === option) value = words[at + 1]
    else if (word.startsWith(`${option}=`)) value = word.slice(option.length + 1)
  })
  return value
}

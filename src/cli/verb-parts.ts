/** Building blocks of the verb definitions: shared options, examples and argument parsers. */
import { type Command, InvalidArgumentError } from 'commander'
import { isBegun, nearestNames } from '../base/index.ts'
import { defaultUser } from './early-guest.ts'
import type { Terminal } from './terminal.ts'

/** Runs the verb. @returns the exit code */
export type Verb = () => Promise<number>

/** Adds the verbs of one file. @param choose receives the chosen verb, which runs once the whole command line is valid */
export type AddVerbs = (parent: Command, terminal: Terminal, choose: (verb: Verb) => void) => void

/** Parser of an option that can be repeated. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}

/** A verb that needs no workspace. */
export function plainVerb(command: Command, summary: string): Command {
  return command.description(summary).helpOption('-h, --help', 'show help')
}

/** A command that only groups the verbs below it. */
export function verbGroup(command: Command, summary: string, ...lines: readonly string[]): Command {
  return plainVerb(command, summary).addHelpText('after', examples(...lines))
}

/** Of verbs that destroy something. */
export const dryRunOption = ['--dry-run', 'show what would happen and change nothing'] as const

/** Of verbs that print JSON anyway, so that a script can add it to each verb. */
export const alwaysJson = ['--json', 'as without it: the output is JSON'] as const

export { defaultUser }

/** @returns the option to append to a suggested command so that it applies to the same workspace */
export function ofUser(user: string): string {
  return user === defaultUser ? '' : ` --user ${user}`
}

export const userOption = ['--user <user>', 'user whose workspace to use', defaultUser] as const

/** A user has one workspace for each space. */
const spaceOption = ['--space <space>', 'space to work in; default: the one in use'] as const

/** A verb of a user's workspace, with the options `--user` and `--space`. */
export function userVerb(command: Command, summary: string): Command {
  return plainVerb(command, summary)
    .option(...userOption)
    .option(...spaceOption)
}

/** For a list with verbs below it: without this it takes their options for its own. `--user`, `--space` and `--json` count wherever they stand. */
export function ownOptions(list: Command): void {
  list.enablePositionalOptions().hook('preSubcommand', (_, verb) => {
    for (const name of ['user', 'space', 'json']) {
      if (list.getOptionValueSource(name) === 'cli') verb.setOptionValue(name, list.getOptionValue(name))
    }
  })
}

/** Of verbs that begin a conversation. */
export const agentOption = ['--agent <definition>', 'agent or character that answers; see oxbow agents list'] as const

/** A verb that can start a guest with these options. */
export function guestVerb(command: Command, summary: string): Command {
  return userVerb(command, summary)
    .option('--model <model>', 'model to use')
    .option('--base-url <url>', 'address of an OpenAI-compatible service')
    .option('--insecure', 'run without a sandbox: files only, no shell')
}

/** The examples at the end of a verb's help, one a line. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

/** Rejects an empty text instead of reading it as 0: it comes from an unset variable in a script. */
export function parseCount(max: number, min: number = 0): (text: string) => number {
  return (text) => {
    const count = text.trim() === '' ? Number.NaN : Number(text)
    if (!Number.isInteger(count) || count < min || count > max) throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
    return count
  }
}

/** Parses an amount of money. Less than a micro-dollar would become 0, which is no limit. */
export function parseAmount(text: string): number {
  const amount = /^(?:\d+\.?\d*|\.\d+)$/.test(text.trim()) ? Number(text) : Number.NaN
  if (!(amount === 0 || (amount >= 1e-6 && amount <= 1e9)))
    throw new InvalidArgumentError('Give an amount such as 2.50, of at least 0.000001 dollars, or 0.')
  return amount
}

/** @returns `; did you mean …?` with the nearest name, or with the first three that begin with the typed one; nothing where none is near */
export function suggestion(typed: string, names: readonly string[]): string {
  const near = nearestNames(typed, names, maxTypos)
  const begun = near.filter((name) => isBegun(typed, name)).slice(0, 3)
  const meant = begun.length > 0 ? begun : near.slice(0, 1)
  return meant.length === 0 ? '' : `; did you mean ${meant.join(' or ')}?`
}

/** With more edits it is another word, not a typo. */
const maxTypos = 2

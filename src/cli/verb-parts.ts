/** What all verbs are made of, for the files that add them. */
import { type Command, InvalidArgumentError } from 'commander'
import type { Terminal } from './terminal.ts'

/** What runs when it is chosen. @returns the exit code */
export type Verb = () => Promise<number>

/** Adds the verbs of one file. @param choose takes the chosen verb, which runs when the whole line is valid */
export type AddVerbs = (parent: Command, terminal: Terminal, choose: (verb: Verb) => void) => void

/** An option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}

/** A verb that is about nobody's workspace. */
export function plainVerb(command: Command, summary: string): Command {
  return command.description(summary).helpOption('-h, --help', 'show help')
}

/** A word that does nothing by itself: verbs stand behind it. */
export function verbGroup(command: Command, summary: string, ...lines: readonly string[]): Command {
  return plainVerb(command, summary).addHelpText('after', examples(...lines))
}

/** Whose workspace is meant when none is named. */
export const defaultUser = 'default'

/** @returns the option that makes a suggested command apply to the same workspace */
export function ofUser(user: string): string {
  return user === defaultUser ? '' : ` --user ${user}`
}

export function userVerb(command: Command, summary: string): Command {
  return plainVerb(command, summary).option('--user <name>', 'user whose workspace to use', defaultUser)
}

/** A verb that may start a guest with the person's choices. */
export function guestVerb(command: Command, summary: string): Command {
  return userVerb(command, summary)
    .option('--model <name>', 'model to use')
    .option('--base-url <url>', 'address of an OpenAI-compatible service')
    .option('--insecure', 'run without a sandbox: files only, no shell')
}

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

/** An empty text is none: a script whose variable is not set does not mean 0. */
export function parseCount(max: number, min: number = 0): (text: string) => number {
  return (text) => {
    const count = text.trim() === '' ? Number.NaN : Number(text)
    if (!Number.isInteger(count) || count < min || count > max) throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`)
    return count
  }
}

/** What all verbs are made of, for the files that add them. */
import { type Command, InvalidArgumentError } from 'commander'

/** What runs when it is chosen. @returns the exit code */
export type Verb = () => Promise<number>

/** An option that may be given more than once. */
export function collect(value: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, value]
}

export function userVerb(command: Command, summary: string): Command {
  return command.description(summary).helpOption('-h, --help', 'show help').option('--user <name>', 'whose workspace', 'default')
}

/** A verb that may start a guest with the person's choices. */
export function guestVerb(command: Command, summary: string): Command {
  return userVerb(command, summary)
    .option('--model <name>', 'model to ask')
    .option('--base-url <url>', 'endpoint of an OpenAI-compatible service')
    .option('--insecure', 'work without a sandbox: files under path rules only, no shell')
}

export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`
}

export function parseCount(max: number): (text: string) => number {
  return (text) => {
    const count = Number(text)
    if (!Number.isInteger(count) || count < 0 || count > max) throw new InvalidArgumentError(`Give a whole number up to ${max}.`)
    return count
  }
}

/** Command lines that pages, hints and examples tell a person to type: each must be one that the program takes. */
import type { Command } from 'commander'

/** What stands for a word that a person chooses. */
const placeholder = /^(?:[A-Z][A-Z_/-]*\d*|…|[A-Z]+…|".*"?|'.*'?|<.*>)$/

/** @returns what is wrong with the command lines of `oxbow` in a text; nothing when it has none. A value of an option is no command. */
export function wrongCommands(text: string, program: Command): readonly string[] {
  return Array.from(text.matchAll(/(?<![\w./-]|--\S+ |[Ss]tart )oxbow((?: +[^\s`,;:()]+)*)/g), ([, rest = '']) => rest.trim().split(/ +/))
    .map((words) => words.map((word) => word.replace(/^\[|[\].]+$/g, '')))
    .flatMap((words) => alternatives(words).flatMap((each) => problemOf(each, program) ?? []))
}

/** `memory tidy|report` is two. */
function alternatives(words: readonly string[]): readonly (readonly string[])[] {
  const at = words.findIndex((word) => /^[a-z]+(?:\|[a-z]+)+$/.test(word))
  return at === -1 ? [words] : (words[at] ?? '').split('|').map((word) => words.with(at, word))
}

function problemOf(words: readonly string[], program: Command): string | null {
  let command = program
  for (const [at, word] of words.entries()) {
    if (word === '' || placeholder.test(word)) continue
    if (word === 'help' && at === 0) return problemOf(words.slice(1), program)
    if (word.startsWith('-')) {
      // What follows `--` are arguments of another program.
      if (word === '--help' || word === '--') return null
      // Options before any verb belong to the default verb.
      const taker = at === 0 && !takes(command, word) ? (program.commands.find((each) => each.name() === 'tui') ?? command) : command
      if (!takes(taker, word)) return `oxbow ${words.slice(0, at).join(' ')} has no ${word}`
      continue
    }
    const below = command.commands.find((each) => each.name() === word || each.aliases().includes(word))
    if (below !== undefined) command = below
    else if (isGroup(command, program)) return /^[a-z-]+$/.test(word) ? `oxbow has no ${words.slice(0, at + 1).join(' ')}` : null
    // What the verb takes no more of is the rest of a sentence.
    else if (command.registeredArguments.length === 0) return null
  }
  return null
}

/** It does nothing by itself: a verb must follow. */
function isGroup(command: Command, program: Command): boolean {
  return command === program || (command.commands.length > 0 && command.options.length === 0)
}

function takes(command: Command, flag: string): boolean {
  const [name = ''] = flag.split('=')
  return command.options.some(({ long, short }) => name === long || name === short)
}

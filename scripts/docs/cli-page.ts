/** `docs/cli.md`: every verb with its arguments, options and examples, as its help has them. */
import type { Command, Option } from 'commander'
import { errorTable } from '../../src/base/index.ts'
import { code, page, table } from './markdown.ts'

/** @param program as `buildProgram` makes it, with nothing listening to its output */
export function cliPage(program: Command): string {
  const groups = Map.groupBy(shownIn(program), (verb) => verb.helpGroup() ?? '')
  return page(
    '# The command line',
    'Without a verb, `oxbow` opens the chat. `oxbow help VERB` prints what stands here, and `oxbow completion bash|zsh|fish` a script that completes verbs, options and what exists. Results go to standard output, questions and notices to standard error. Nothing is coloured in a pipe or with `NO_COLOR`.',
    'With `--json`, a verb prints one JSON object, and a list one for each line. If it fails, it then prints an object with the key `error` on standard error, which holds `code`, `message` and `hint`. A verb that destroys something takes `--dry-run`, which prints what would happen and changes nothing.',
    'The exit code says how a verb failed; [errors.md](errors.md) explains each error.',
    exitCodes(),
    ...[...groups].flatMap(([heading, verbs]) => [`## ${heading.replace(/:$/, '')}`, ...verbs.flatMap((verb) => section(verb, 'oxbow'))]),
  )
}

function shownIn(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((inner) => inner.name() !== 'help')
}

/** Codes of failures by exit code, as docs/errors.md explains them. */
function exitCodes(): string {
  const byExit = Map.groupBy(Object.entries(errorTable), ([, { exit }]) => exit)
  const rows = [...byExit]
    .toSorted(([a], [b]) => a - b)
    .map(([exit, codes]) => [String(exit), codes.map(([name]) => code(name)).join(', ')])
  return table(['exit code', 'errors'], [['0', 'none'], ...rows])
}

function section(command: Command, path: string): readonly string[] {
  const name = `${path} ${command.name()}`
  const aliases = command.aliases().map((alias) => code(`${path} ${alias}`))
  const parts = shownIn(command)
  const isVerb = parts.length === 0 || command.options.length > 0
  const sentence = command.description().replace(/^./, (first) => first.toUpperCase())
  return [
    `### ${name}`,
    `${sentence}.${aliases.length === 0 ? '' : ` Also ${aliases.join(', ')}.`}`,
    ...(isVerb ? [code(usageOf(command, name))] : []),
    ...(command.options.length === 0
      ? []
      : [table(['option', 'what it does'], command.options.filter(({ hidden }) => !hidden).map(optionRow))]),
    ['```sh', ...examplesOf(command), '```'].join('\n'),
    ...parts.flatMap((part) => section(part, name)),
  ]
}

function usageOf(command: Command, name: string): string {
  const args = command.registeredArguments.map((argument) => {
    const word = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${word}>` : `[${word}]`
  })
  return [name, ...(command.options.length === 0 ? [] : ['[options]']), ...args].join(' ')
}

function optionRow({ flags, description, defaultValue, argChoices, mandatory }: Option): readonly string[] {
  const notes = [
    ...(argChoices === undefined ? [] : [`One of ${argChoices.map(code).join(', ')}.`]),
    ...(defaultValue === undefined ? [] : [`Default: ${code(String(defaultValue))}.`]),
    ...(mandatory ? ['Required.'] : []),
  ]
  return [code(flags), [`${description}${notes.length === 0 ? '' : '.'}`, ...notes].join(' ')]
}

/** @returns the examples of a verb's help @throws for a verb without one */
export function examplesOf(command: Command): readonly string[] {
  let help = ''
  command.configureOutput({ writeOut: (text) => void (help += text) })
  command.outputHelp()
  const [, examples] = help.split('\nExamples:\n')
  if (examples === undefined) throw new Error(`oxbow ${command.name()} has no example`)
  return examples
    .trimEnd()
    .split('\n')
    .map((line) => line.trim())
}

/** `oxbow.1`: the manual, from the tree of verbs, in the language mdoc(7). */
import type { Command, Option } from 'commander'
import { errorTable } from '../../src/base/index.ts'
import { examplesOf } from '../docs/cli-page.ts'

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

/** @param program as `buildProgram` makes it. @param at Unix seconds of the release */
export function manPage(program: Command, at: number): string {
  const day = new Date(at * 1_000)
  const groups = Map.groupBy(shownIn(program), (verb) => verb.helpGroup() ?? '')
  const lines = [
    '.\\" Made by scripts/package/man-page.ts from the verbs of Oxbow.',
    `.Dd ${months[day.getUTCMonth()]} ${day.getUTCDate()}, ${day.getUTCFullYear()}`,
    '.Dt OXBOW 1',
    '.Os',
    '.Sh NAME',
    '.Nm oxbow',
    '.Nd operating system for AI agents that work on this machine',
    '.Sh SYNOPSIS',
    '.Nm',
    '.Op Ar verb',
    '.Op Ar argument ...',
    '.Op Ar option ...',
    '.Sh DESCRIPTION',
    '.Nm',
    ...textLines(
      'lets AI agents do work on this machine: an agent can only ask, every request passes one gate, and the gate writes a journal before it acts and after.',
    ),
    '.Pp',
    ...textLines(
      'Without a verb it opens the chat. Results go to standard output, questions and notices to standard error. With --json a verb prints one JSON object, and a list one for each line; a failure is then an object with the key “error” on standard error.',
    ),
    '.Sh COMMANDS',
    ...[...groups].flatMap(([heading, verbs]) => [
      `.Ss ${escaped(heading.replace(/:$/, ''))}`,
      '.Bl -tag -width Ds',
      ...verbs.flatMap((verb) => verbLines(verb, '')),
      '.El',
    ]),
    '.Sh ENVIRONMENT',
    '.Bl -tag -width Ds',
    ...Object.entries(variables).flatMap(([name, what]) => [`.It Ev ${name}`, ...textLines(what)]),
    '.El',
    '.Sh FILES',
    '.Bl -tag -width Ds',
    ...Object.entries(files).flatMap(([path, what]) => [`.It Pa ${path}`, ...textLines(what)]),
    '.El',
    '.Sh EXIT STATUS',
    '.Bl -tag -width Ds',
    '.It 0',
    'Success.',
    ...exitLines(),
    '.El',
    '.Sh EXAMPLES',
    ...examplesOf(program).flatMap((line, place) => [...(place === 0 ? [] : ['.Pp']), `.Dl ${escaped(line)}`]),
  ]
  return `${lines.join('\n')}\n`
}

const variables: Readonly<Record<string, string>> = {
  OXBOW_HOME: 'Folder of the configuration, keys and workspaces; ~/.oxbow without it.',
  OXBOW__SECTION__KEY: 'A key of the configuration, above all files.',
  OXBOW_PASSPHRASE: 'Passphrase of the store, if it has one.',
  NO_COLOR: 'Nothing is coloured.',
}

const files: Readonly<Record<string, string>> = {
  '/etc/oxbow/config.toml': 'Configuration of all homes of this machine.',
  '~/.oxbow/config.toml': 'Configuration of all users of a home.',
  '~/.oxbow/users/USER': 'Workspace of a user, with its configuration, its files and its store.',
  '~/.oxbow/versions': 'Further versions of Oxbow, to go forward and back.',
}

function shownIn(command: Command): readonly Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((inner) => inner.name() !== 'help')
}

/** A verb is an item; what it groups are items of the same list. */
function verbLines(command: Command, path: string): readonly string[] {
  const name = `${path}${command.name()}`
  const parts = shownIn(command)
  const sentence = command.description().replace(/^./, (first) => first.toUpperCase())
  const args = command.registeredArguments.map((argument) => {
    const word = `Ar ${escaped(argument.name())}${argument.variadic ? ' ...' : ''}`
    return argument.required ? word : `Op ${word}`
  })
  const options = command.options.filter(({ hidden }) => !hidden)
  return [
    `.It ${['Ic', ...name.split(' ').map(escaped), ...args].join(' ')}`,
    ...textLines(`${sentence}.`),
    ...(options.length === 0 ? [] : ['.Bl -tag -width Ds -compact', ...options.flatMap(optionLines), '.El']),
    ...parts.flatMap((part) => verbLines(part, `${name} `)),
  ]
}

function optionLines({ flags, description, argChoices, defaultValue }: Option): readonly string[] {
  const [names = '', value] = flags.split(/ (?=[<[])/)
  const spelled = names
    .split(', ')
    .map((flag) => `Fl ${escaped(flag.slice(1))}`)
    .join(' , ')
  const notes = [
    ...(argChoices === undefined ? [] : [`One of ${argChoices.join(', ')}.`]),
    ...(defaultValue === undefined ? [] : [`Default: ${String(defaultValue)}.`]),
  ]
  return [
    `.It ${spelled}${value === undefined ? '' : ` Ar ${escaped(value.replaceAll(/[<>[\]]/g, ''))}`}`,
    ...textLines([`${description.replace(/\.$/, '')}.`, ...notes].join(' ')),
  ]
}

/** Each meaning once: failures share codes. */
function exitLines(): readonly string[] {
  const byExit = Map.groupBy(Object.values(errorTable), ({ exit }) => exit)
  return [...byExit]
    .toSorted(([a], [b]) => a - b)
    .flatMap(([exit, facts]) => [`.It ${exit}`, ...textLines([...new Set(facts.map(({ meaning }) => meaning))].join(' '))])
}

const lineWidth = 78

/** A sentence begins a line, as mdoc wants it; no line is wide, or begins with a control character. */
function textLines(text: string): readonly string[] {
  const sentences = text
    .replaceAll(/\s+/g, ' ')
    .trim()
    .split(/(?<=[a-z)”"][.!?]) (?=[A-Z])/)
  return sentences.flatMap((sentence) => {
    const lines = ['']
    for (const word of escaped(sentence).split(' ')) {
      const line = lines.at(-1)!
      if (line !== '' && line.length + word.length >= lineWidth) lines.push(word)
      else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
    }
    return lines.map((line) => line.replace(/^([.'])/, '\\&$1'))
  })
}

const special: Readonly<Record<string, string>> = {
  '\\': '\\e',
  '’': '\\(cq',
  '“': '\\(lq',
  '”': '\\(rq',
  '…': '...',
  '→': '\\(->',
  '–': '\\(en',
  '×': '\\(mu',
  '`': '\\(ga',
  "'": '\\(aq',
  '^': '\\(ha',
  '~': '\\(ti',
  '"': '\\(dq',
}

/** Characters that roff reads otherwise, and what every terminal shows. */
function escaped(text: string): string {
  return text.replaceAll(/[\\’“”…→–×`'^~"]/g, (character) => special[character]!)
}

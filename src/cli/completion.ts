/**
 * `oxbow completion`: scripts by which shells complete verbs and options. They hold all of these words, so that completing them starts no
 * program. Names of what exists come from the verb that lists such things, and no guest is started for them: an argument `<schedule>` is
 * completed with what `oxbow schedule list` shows.
 */
import type { Command } from 'commander'
import { isObject, ownValue } from '../base/index.ts'
import type { ServiceVerb } from '../protocol/index.ts'
import { chosenWorkspace, findGuest, openHome, openWorkspace, parseUser } from '../runner/index.ts'
import { maxCompletedIds } from './limits.ts'
import { printLine, type Terminal } from './terminal.ts'
import { defaultUser } from './verb-parts.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function printCompletion(shell: Shell, program: Command, verbs: readonly ServiceVerb[], terminal: Terminal): number {
  printLine(
    terminal,
    { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodesOf(program, '', { lists: listsOf(verbs), usual: usualOf(verbs) })),
  )
  return 0
}

/** A verb that lists things, and the field of its JSON that names one; `a/b` joins two. */
interface List {
  readonly verb: string
  readonly field: string
  /** It starts a guest where none runs. */
  readonly needsGuest: boolean
}

/** Lists of the terminal itself. Services say theirs in their verbs. */
const ownLists: Readonly<Record<string, List>> = {
  space: { verb: 'space list', field: 'space', needsGuest: false },
  session: { verb: 'sessions', field: 'id', needsGuest: true },
  agent: { verb: 'agents', field: 'name', needsGuest: true },
  call: { verb: 'approvals list', field: 'call', needsGuest: true },
  turn: { verb: 'undo --list', field: 'turn', needsGuest: true },
  secret: { verb: 'secret list', field: 'name', needsGuest: false },
  plugin: { verb: 'plugin list', field: 'name', needsGuest: false },
  'shared-folder': { verb: 'folder list', field: 'name', needsGuest: false },
  'shared-item': { verb: 'folder list', field: 'name', needsGuest: false },
  character: { verb: 'agents list', field: 'name', needsGuest: true },
  embedder: { verb: 'embed list', field: 'setting', needsGuest: false },
  image: { verb: 'image list', field: 'name', needsGuest: false },
  setting: { verb: 'config list --all', field: 'key', needsGuest: false },
  provider: { verb: 'models --all', field: 'provider', needsGuest: false },
  model: { verb: 'models', field: 'provider/name', needsGuest: false },
  'system-call': { verb: 'calls', field: 'name', needsGuest: false },
}

/** Every kind of thing that an argument can name. */
export function listsOf(verbs: readonly ServiceVerb[]): ReadonlyMap<string, List> {
  const ofServices = verbs.flatMap(({ words, lists = {} }) =>
    Object.entries(lists).map(([thing, field]) => [thing, { verb: words.replace(/ [<[].*/, ''), field, needsGuest: true }] as const),
  )
  return new Map([...Object.entries(ownLists), ...ofServices])
}

/** What services say is usual for such an argument. */
function usualOf(verbs: readonly ServiceVerb[]): ReadonlyMap<string, readonly string[]> {
  return new Map(verbs.flatMap(({ usual = {} }) => Object.entries(usual)))
}

/** How a script asks for them: `schedule list:id`. */
const valuesOf = ({ verb, field }: List): string => `${verb}:${field}`

/**
 * Prints what a list names, one a line: none without a guest that runs, where one is needed. Nobody sees a failure in the middle of a
 * command line.
 * @param asked as `valuesOf` writes it; a verb that is no list is not run
 * @param verbs the verbs of services, at least of the first word that is asked for
 * @param run runs a verb
 */
export async function printValues(
  asked: string,
  verbs: readonly ServiceVerb[],
  run: (args: readonly string[], terminal: Terminal) => Promise<number>,
  terminal: Terminal,
): Promise<number> {
  const list = [...listsOf(verbs).values()].find((each) => valuesOf(each) === asked)
  if (list === undefined) return 0
  const { verb, field, needsGuest } = list
  const written: string[] = []
  const silent = (into: string[]): NodeJS.WriteStream =>
    Object.assign(Object.create(terminal.output) as NodeJS.WriteStream, { isTTY: false, write: (text: string) => into.push(text) > 0 })
  try {
    if (
      needsGuest &&
      (await findGuest(openWorkspace(openHome(terminal.env), parseUser(chosenWorkspace(terminal.env, defaultUser))))) === null
    )
      return 0
    await run([...verb.split(' '), '--json'], { ...terminal, output: silent(written), errors: silent([]) })
    const items = written
      .join('')
      .split('\n')
      .filter(Boolean)
      .flatMap((line) => itemsIn(JSON.parse(line), field))
    // Names may hold what a shell would take for more than a word.
    const names = [...new Set(items.map((item) => nameIn(item, field)))].filter((name) => /^[\w.:/@+-]+$/.test(name))
    for (const name of names.slice(0, maxCompletedIds)) printLine(terminal, name)
  } catch {
    // As without a guest.
  }
  return 0
}

/** A line is one of the things, or has all of them: itself, or in a field. */
function itemsIn(line: unknown, field: string): readonly unknown[] {
  if (Array.isArray(line)) return line
  if (!isObject(line) || nameIn(line, field) !== '') return [line]
  return Object.values(line).find(Array.isArray) ?? []
}

function nameIn(item: unknown, field: string): string {
  const parts = field.split('/')
  const names = parts.flatMap((name) => {
    const part = isObject(item) ? ownValue(item, name) : undefined
    return typeof part === 'string' && part !== '' ? [part] : []
  })
  return names.length === parts.length ? names.join('/') : ''
}

/** A verb or a group of verbs. */
interface Node {
  /** Words before it and its name, each with a space before it; '' for the program itself. */
  readonly path: string
  readonly verbs: readonly { readonly name: string; readonly summary: string }[]
  /** What its arguments can be, apart from names. */
  readonly words: readonly string[]
  /** What its arguments name. */
  readonly lists: readonly List[]
  readonly options: readonly {
    readonly name: string
    readonly summary: string
    readonly choices: readonly string[]
    readonly list: List | undefined
  }[]
}

interface Known {
  readonly lists: ReadonlyMap<string, List>
  readonly usual: ReadonlyMap<string, readonly string[]>
}

function nodesOf(command: Command, path: string, known: Known): readonly Node[] {
  const listOf = (name: string): List | undefined => known.lists.get(name)
  const wordsFor = (name: string): readonly string[] => known.usual.get(name) ?? []
  const inner = command.commands.flatMap((each) => [each.name(), ...each.aliases()].map((name) => ({ name, command: each })))
  const listed = inner.map(({ name, command: each }) => ({ name, summary: firstSentence(each.description()) }))
  const help = { path: ' help', verbs: listed, words: [], lists: [], options: [] }
  const verbs = path === '' ? [...listed, { name: 'help', summary: 'show the help of a verb' }] : listed
  const own = command.options.map(({ long, flags, description, argChoices }) => ({
    name: long ?? '',
    summary: firstSentence(description),
    choices: argChoices ?? wordsFor(placeholderIn(flags)),
    // A placeholder with choices of its own is named like a list by chance.
    list: argChoices === undefined ? listOf(placeholderIn(flags)) : undefined,
  }))
  const options = [...own.filter(({ name }) => name !== ''), { name: '--help', summary: 'show help', choices: [], list: undefined }]
  const lists = command.registeredArguments.flatMap((argument) => listOf(argument.name()) ?? [])
  const words = command.registeredArguments.flatMap((argument) => argument.argChoices ?? wordsFor(argument.name()))
  const below = inner.flatMap(({ name, command: each }) => nodesOf(each, `${path} ${name}`, known))
  return [{ path, verbs, words, lists, options }, ...(path === '' ? [help] : []), ...below]
}

const placeholderIn = (flags: string): string => /<([^>]+)>/.exec(flags)?.[1] ?? ''

/** Without what quoting would have to protect. */
function firstSentence(text: string): string {
  return text
    .replaceAll(/['"\\`$\n]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

const bashScript = (nodes: readonly Node[]): string => `${wordsFunction(nodes, '_oxbow')}\ncomplete -F _oxbow oxbow`

/** A function of bash that sets COMPREPLY. */
function wordsFunction(nodes: readonly Node[], functionName: string): string {
  const known = nodes.slice(1).map(({ path }) => `"${path}"`)
  const words = nodes.map(({ path, verbs, words: own, options }) => {
    const all = [...verbs.map(({ name }) => name), ...own, ...options.map(({ name }) => name)]
    return `    "${path}") words="${all.join(' ')}" ;;`
  })
  const choices = nodes.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map((option) => `    "${path} ${option.name}") words="${option.choices.join(' ')}" ;;`),
  )
  const values = byList(nodes.flatMap(({ path, lists }) => lists.map((list) => [list, path] as const))).map(
    ([asked, paths]) =>
      `    ${quoted(paths)}) [ "\${current#-}" = "$current" ] && words="$words $(oxbow completion bash --values '${asked}' 2>/dev/null)" ;;`,
  )
  const named = nodes.flatMap(({ path, options }) =>
    options.flatMap(({ name, list }) => (list === undefined ? [] : [[list, `${path} ${name}`] as const])),
  )
  const ofOptions = byList(named).map(
    ([asked, paths]) => `    ${quoted(paths)}) words="$(oxbow completion bash --values '${asked}' 2>/dev/null)" ;;`,
  )
  return `${functionName}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at="" word words=""
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$at $word" in
      ${known.join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${words.join('\n')}
  esac
  case "$at" in
${values.join('\n')}
  esac
  case "$at $before" in
${[...choices, ...ofOptions].join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || compopt -o default 2>/dev/null
}`
}

const quoted = (paths: readonly string[]): string => paths.map((path) => `"${path}"`).join('|')

/** @returns each list as a script asks for it, with all that it completes */
function byList(pairs: readonly (readonly [List, string])[]): readonly (readonly [string, readonly string[]])[] {
  const found = Map.groupBy(pairs, ([list]) => valuesOf(list))
  return [...found].map(([asked, group]) => [asked, [...new Set(group.map(([, path]) => path))]])
}

/**
 * zsh reads bash's function. It is sourced, or in a file `_oxbow` of the `fpath`: that file is then the body of a function of this name, which is called
 * for the first word that is to be completed, and has to complete it.
 */
function zshScript(nodes: readonly Node[]): string {
  return `#compdef oxbow
autoload -Uz bashcompinit && bashcompinit
${wordsFunction(nodes, '_oxbow_words')}
complete -o default -F _oxbow_words oxbow
[ "\${funcstack[1]}" != _oxbow ] || _bash_complete -o default -F _oxbow_words`
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, verbs, words: own, options }) => {
    const words = path
      .trim()
      .split(' ')
      .filter((word) => word !== '')
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ')
    const first = verbs.length === 0 ? '' : `not __fish_seen_subcommand_from ${verbs.map(({ name }) => name).join(' ')}`
    const when = [seen, first].filter((part) => part !== '').join('; and ')
    const condition = seen === '' ? '' : ` -n '${seen}'`
    return [
      ...verbs.map(({ name, summary }) => `complete -f -n '${when}' -a ${name} -d '${summary}' -c oxbow`),
      ...own.map((word) => `complete -f -n '${when}' -a ${word} -c oxbow`),
      ...options.map(({ name, summary, choices, list }) => {
        const all = list === undefined ? choices.join(' ') : fishValues(list)
        const values = all === '' ? '' : ` -x -a '${all}'`
        return `complete${condition} -l ${name.slice(2)}${values} -d '${summary}' -c oxbow`
      }),
    ]
  })
  const values = nodes.flatMap(({ path, lists }) => {
    const when = path.trim().replaceAll(/\S+/g, '__fish_seen_subcommand_from $&').replaceAll(' __', '; and __')
    return lists.map((list) => `complete -f -n '${when}' -a '${fishValues(list)}' -c oxbow`)
  })
  return [...lines, ...values].join('\n')
}

const fishValues = (list: List): string => `(oxbow completion fish --values "${valuesOf(list)}" 2>/dev/null)`

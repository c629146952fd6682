/** `oxbow completion`: scripts by which shells complete verbs and options. They hold all words, so that completing starts no program. */
import type { Command } from 'commander'
import { printLine, type Terminal } from './terminal.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function printCompletion(shell: Shell, program: Command, terminal: Terminal): number {
  printLine(terminal, { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodesOf(program, '')))
  return 0
}

/** A verb or a group of verbs. */
interface Node {
  /** Words before it and its name, each with a space before it; '' for the program itself. */
  readonly path: string
  readonly verbs: readonly { readonly name: string; readonly summary: string }[]
  readonly options: readonly { readonly name: string; readonly summary: string; readonly choices: readonly string[] }[]
}

function nodesOf(command: Command, path: string): readonly Node[] {
  const verbs = command.commands.map((inner) => ({ name: inner.name(), summary: firstSentence(inner.description()) }))
  const own = command.options.map(({ long, description, argChoices }) => ({
    name: long ?? '',
    summary: firstSentence(description),
    choices: argChoices ?? [],
  }))
  const options = [...own.filter(({ name }) => name !== ''), { name: '--help', summary: 'show help', choices: [] }]
  return [{ path, verbs, options }, ...command.commands.flatMap((inner) => nodesOf(inner, `${path} ${inner.name()}`))]
}

/** Without what quoting would have to protect. */
function firstSentence(text: string): string {
  return text
    .replaceAll(/['"\\`$\n]/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function bashScript(nodes: readonly Node[]): string {
  const known = nodes.slice(1).map(({ path }) => `"${path}"`)
  const words = nodes.map(({ path, verbs, options }) => {
    const all = [...verbs.map(({ name }) => name), ...options.map(({ name }) => name)]
    return `    "${path}") words="${all.join(' ')}" ;;`
  })
  const choices = nodes.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map((option) => `    "${path} ${option.name}") words="${option.choices.join(' ')}" ;;`),
  )
  return `_oxbow() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${known.join('|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${words.join('\n')}
  esac
  case "$at $before" in
${choices.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || compopt -o default
}
complete -F _oxbow oxbow`
}

function zshScript(nodes: readonly Node[]): string {
  return `#compdef oxbow\nautoload -Uz bashcompinit && bashcompinit\n${bashScript(nodes).replace(' || compopt -o default', ' || compopt -o default 2>/dev/null')}`
}

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, verbs, options }) => {
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
      ...options.map(({ name, summary, choices }) => {
        const values = choices.length === 0 ? '' : ` -x -a '${choices.join(' ')}'`
        return `complete${condition} -l ${name.slice(2)}${values} -d '${summary}' -c oxbow`
      }),
    ]
  })
  return lines.join('\n')
}

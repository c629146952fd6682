/**
 * `oxbow completion`: scripts by which shells complete verbs and options. They hold all of these words, so that completing them starts no
 * program. Ids of what exists are asked of the guest that runs; none is started for it.
 */
import type { Command } from 'commander'
import { findGuest, openHome, openWorkspace, parseUser } from '../runner/index.ts'
import { type GatewayPort, withGuest, outputOf } from './guest-connection.ts'
import { maxCompletedIds } from './limits.ts'
import { printLine, type Terminal } from './terminal.ts'
import { defaultUser } from './verb-parts.ts'

type Shell = 'bash' | 'zsh' | 'fish'

export function printCompletion(shell: Shell, program: Command, terminal: Terminal): number {
  printLine(terminal, { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](nodesOf(program, '')))
  return 0
}

/** How to list each kind of what exists. */
const lists: Readonly<Record<string, (gateway: GatewayPort) => Promise<readonly string[]>>> = {
  session: async (gateway) => (await gateway.listSessions(maxCompletedIds)).map(({ id }) => id),
  schedule: async (gateway) => {
    const { schedules } = await outputOf(gateway, 'schedule.search', { limit: maxCompletedIds })
    return schedules.map(({ id }) => id)
  },
  agent: async (gateway) => {
    const { agents } = await outputOf(gateway, 'agent.list', { ended: false, limit: maxCompletedIds })
    return agents.map(({ name }) => name)
  },
  approval: async (gateway) => (await outputOf(gateway, 'approval.list', {})).map(({ call }) => call),
  rule: async (gateway) => (await outputOf(gateway, 'approval.rules', {})).map(({ id }) => id),
  key: async (gateway) => (await outputOf(gateway, 'key.list', {})).map(({ name }) => name),
  role: async (gateway) => (await outputOf(gateway, 'role.list', {})).map(({ role }) => role),
}

/** Verbs whose argument is one of these. */
const completed: Readonly<Record<string, readonly string[]>> = {
  session: ['sessions rename', 'sessions archive', 'sessions fork', 'sessions delete', 'media', 'audit recording'],
  schedule: ['schedule runs', 'schedule run', 'schedule pause', 'schedule resume', 'schedule remove', 'budget forecast'],
  agent: ['wait', 'kill'],
  approval: ['approve', 'approvals approve', 'approvals deny'],
  rule: ['approvals revoke'],
  key: ['keys revoke'],
  role: ['roles show', 'roles remove'],
}

/** Prints the ids of a kind, one a line: none without a guest that runs. Nobody sees a failure in the middle of a command line. */
export async function printValues(kind: string, terminal: Terminal): Promise<number> {
  const list = Object.hasOwn(lists, kind) ? lists[kind] : undefined
  const quiet = { ...terminal, errors: Object.assign(Object.create(terminal.errors) as NodeJS.WriteStream, { write: () => true }) }
  try {
    const isRunning = (await findGuest(openWorkspace(openHome(terminal.env), parseUser(defaultUser)))) !== null
    if (list === undefined || !isRunning) return 0
    const values = await withGuest({ user: defaultUser }, quiet, ({ gateway }) => list(gateway))
    // Names may hold what a shell would take for more than a word.
    for (const value of values) if (/^[\w.:-]+$/.test(value)) printLine(terminal, value)
  } catch {
    // As without a guest.
  }
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
  const values = Object.entries(completed).map(
    ([kind, paths]) =>
      `    ${paths.map((path) => `" ${path}"`).join('|')}) [ "\${current#-}" = "$current" ] && words="$words $(oxbow completion bash --values ${kind} 2>/dev/null)" ;;`,
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
  case "$at" in
${values.join('\n')}
  esac
  case "$at $before" in
${choices.join('\n')}
    *" --session") words="$(oxbow completion bash --values session 2>/dev/null)" ;;
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
  const values = Object.entries(completed).flatMap(([kind, paths]) =>
    paths.map((path) => {
      const when = path
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and ')
      return `complete -f -n '${when}' -a '(oxbow completion fish --values ${kind} 2>/dev/null)' -c oxbow`
    }),
  )
  return [...lines, ...values].join('\n')
}

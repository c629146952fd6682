/** `oxbow coders`: coding agents of others that speak the Agent Client Protocol, and which of them a person approves. */
import { resolve as absolute } from 'node:path'
import type { OutputOf } from '../../client/index.ts'
import { type JsonObject, ownValue, OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest-connection.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from '../kernel/call.ts'
import { confirmApproval, pairs } from '../servers/servers.ts'

const commandChars = 80

export function codersList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['coder.list', {}], options, terminal, ({ agents }) => {
    if (agents.length === 0) return 'There is no coding agent of others. `oxbow coders add` adds one.'
    const rows = agents.map(({ agent, from, command, files, hosts, approved, running }) => [
      agent,
      approved ? (running === 0 ? 'approved' : `${running} running`) : 'not approved',
      files,
      hosts.length === 0 ? 'no network' : plainLine(hosts.join(', '), commandChars),
      from,
      plainLine(command, commandChars),
    ])
    return table([['NAME', 'STATE', 'FILES', 'HOSTS', 'FROM', 'RUNS'], ...rows])
  })
}

export interface AddOptions extends CallOptions {
  readonly description?: string | undefined
  readonly programFolder?: string | undefined
  readonly files?: string | undefined
  readonly allow?: readonly string[] | undefined
  readonly env?: readonly string[] | undefined
  readonly timeout?: number | undefined
}

export function codersAdd(name: string, words: readonly string[], options: AddOptions, terminal: Terminal): Promise<number> {
  const { description, programFolder, files, allow, env, timeout } = options
  const [command = '', ...args] = words
  const settings: JsonObject = {
    command,
    args,
    ...(description !== undefined && { description }),
    ...(programFolder !== undefined && { program_folder: absolute(programFolder) }),
    ...(files !== undefined && { files }),
    ...(allow !== undefined && { allow: [...allow] }),
    ...(env !== undefined && { env: pairs(env) }),
    ...(timeout !== undefined && { timeout_s: timeout }),
  }
  return showOutput(['coder.add', { agent: name, settings }], options, terminal, () =>
    [
      `Added ${name}. It is not offered yet: \`oxbow coders approve ${name}\` shows what it is.`,
      `Agents need the right for it: "acp.${name}" in rights under [agent] in config.toml.`,
    ].join('\n'),
  )
}

type Shown = OutputOf<'coder.show'>

export function codersShow(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['coder.show', { agent: name }], options, terminal, shownText)
}

function shownText({ agent, state, identity, says, settings }: Shown): string {
  const { files, allow, env } = settings
  const sees =
    ownValue({ branch: 'works on a branch of the workspace', read: 'reads the workspace', none: 'sees no files' }, files) ?? files
  return plainText(
    [
      `${agent} is ${state === 'same' ? 'as you have approved it' : state}.`,
      `  ${identity}`,
      `  it says that it is: ${says}`,
      `  ${sees}`,
      allow.length === 0 ? '  has no network' : `  reaches ${allow.join(', ')}`,
      ...Object.entries(env).map(([name, value]) => `  gets ${name}=${value}`),
    ].join('\n'),
  )
}

export interface ApproveOptions extends CallOptions {
  readonly digest?: string | undefined
}

const seenBefore = (name: string): string => `oxbow coders show ${name} --json shows it; then: oxbow coders approve ${name} --digest DIGEST`

/** @returns 0 also when the person does not approve */
export function codersApprove(name: string, options: ApproveOptions, terminal: Terminal): Promise<number> {
  const { digest: seen, json } = options
  return withGuest(options, terminal, async ({ gateway }) => {
    let digest = seen
    if (digest === undefined) {
      const shown = await outputOf(gateway, 'coder.show', { agent: name })
      printText({ output: terminal.errors }, shownText(shown))
      if (!(await confirmApproval(name, seenBefore(name), terminal))) return 0
      digest = shown.digest
    }
    const output = await outputOf(gateway, 'coder.approve', { agent: name, digest })
    printLine(terminal, json === true ? JSON.stringify(output) : `Approved. Agents with the right ${output.approved} can give it tasks.`)
    return 0
  })
}

export function codersRemove(name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const removed = (output: { removed: boolean }): string =>
    output.removed ? `Removed ${name}.` : `${name} is one of config.toml and stays; it is not approved any more.`
  return showDestruction(['coder.remove', { agent: name }], options, terminal, removed, async (gateway) => {
    const { agents } = await outputOf(gateway, 'coder.list', {})
    const target = agents.find(({ agent }) => agent === name)
    if (target === undefined)
      throw new OxbowError('not_found', `There is no coding agent ${JSON.stringify(name)}.`, { hint: '`oxbow coders list` lists them.' })
    return { would: `remove the coding agent ${plainLine(name, commandChars)} and its approval; its branches of files stay`, target }
  })
}

/** `oxbow remotes`: agents of others that speak A2A, and whose cards a person approves. */
import type { OutputOf } from '../../client/index.ts'
import { type JsonObject, OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest-connection.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from './call.ts'
import { confirmApproval, pairs } from '../servers/servers.ts'

const urlChars = 80

export function remotesList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['remote.list', {}], options, terminal, ({ remotes }) => {
    if (remotes.length === 0) return 'There is no agent of others. `oxbow remotes add` adds one.'
    const rows = remotes.map(({ remote, from, url, enabled, approved, changed }) => [
      remote,
      enabled ? 'on' : 'off',
      changed ? 'changed' : approved ? 'approved' : 'not approved',
      from,
      plainLine(url, urlChars),
    ])
    return table([['NAME', 'STATE', 'CARD', 'FROM', 'ADDRESS'], ...rows])
  })
}

export interface AddOptions extends CallOptions {
  readonly header?: readonly string[] | undefined
  readonly allow?: readonly string[] | undefined
  readonly timeout?: number | undefined
}

export function remotesAdd(name: string, url: string, options: AddOptions, terminal: Terminal): Promise<number> {
  const { header, allow, timeout } = options
  const settings: JsonObject = {
    url,
    ...(header !== undefined && { headers: pairs(header) }),
    ...(allow !== undefined && { allow: [...allow] }),
    ...(timeout !== undefined && { timeout_s: timeout }),
  }
  return showOutput(['remote.add', { remote: name, settings }], options, terminal, () =>
    [
      `Added ${name}. It is not offered yet: \`oxbow remotes approve ${name}\` shows its card.`,
      `Agents need the right for it: "a2a.${name}" in rights under [agent] in config.toml.`,
    ].join('\n'),
  )
}

type Card = Diff['now']

type Diff = OutputOf<'remote.diff'>

export function remotesDiff(name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['remote.diff', { remote: name }], options, terminal, diffText)
}

function diffText({ remote, state, problem, approved, now }: Diff): string {
  const before = approved === null ? [] : linesOf(approved)
  const after = linesOf(now)
  const removed = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`)
  const added = after.map((line) => (state === 'new' || before.includes(line) ? `  ${line}` : `+ ${line}`))
  // What is hashed but not shown, such as a text behind the first 2 KiB, has changed then.
  const hidden =
    state === 'changed' && removed.length === 0 && added.every((line) => line.startsWith(' ')) ? ['(a part that is not shown)'] : []
  const refusal = problem === '' ? [] : [`It cannot be approved: ${problem}.`]
  return plainText(
    [`The card of ${remote} is ${state === 'same' ? 'as you have approved it' : state}.`, ...removed, ...added, ...hidden, ...refusal].join(
      '\n',
    ),
  )
}

function linesOf({ name, description, version, provider, skills, addresses, signed_by: signedBy }: Card): readonly string[] {
  return [
    `name: ${name}`,
    ...description.split('\n').map((line) => `description: ${line}`),
    `version: ${version}`,
    ...(provider === '' ? [] : [`provider: ${provider}`]),
    ...skills.map((skill) => `skill ${skill}`),
    ...addresses.map((address) => `reached at ${address}`),
    signedBy === '' ? 'not signed' : `signed with the key ${signedBy}`,
  ]
}

export interface ApproveOptions extends CallOptions {
  readonly digest?: string | undefined
}

const seenBefore = (name: string): string =>
  `oxbow remotes diff ${name} --json shows it; then: oxbow remotes approve ${name} --digest DIGEST`

/** @returns 0 also when the person does not approve */
export function remotesApprove(name: string, options: ApproveOptions, terminal: Terminal): Promise<number> {
  const { digest: seen, json } = options
  return withGuest(options, terminal, async ({ gateway }) => {
    let digest = seen
    if (digest === undefined) {
      const diff = await outputOf(gateway, 'remote.diff', { remote: name })
      printText({ output: terminal.errors }, diffText(diff))
      if (!(await confirmApproval(name, seenBefore(name), terminal))) return 0
      digest = diff.digest
    }
    const output = await outputOf(gateway, 'remote.approve', { remote: name, digest })
    if (json === true) printLine(terminal, JSON.stringify(output))
    else printLine(terminal, `Approved. Agents with the right ${output.call} can ask it.`)
    return 0
  })
}

export function remotesSwitch(name: string, enabled: boolean, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['remote.switch', { remote: name, enabled }], options, terminal, () =>
    enabled ? `${name} is on.` : `${name} is off; it is not offered.`,
  )
}

export function remotesRemove(name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const removed = (output: { removed: boolean }): string =>
    output.removed ? `Removed ${name}.` : `${name} is one of config.toml and stays; its card is not approved any more.`
  return showDestruction(['remote.remove', { remote: name }], options, terminal, removed, async (gateway) => {
    const { remotes } = await outputOf(gateway, 'remote.list', {})
    const target = remotes.find(({ remote }) => remote === name)
    if (target === undefined)
      throw new OxbowError('not_found', `There is no agent of others ${JSON.stringify(name)}.`, {
        hint: '`oxbow remotes list` lists them.',
      })
    return { would: `remove the agent ${plainLine(name, urlChars)} and the approval of its card`, target }
  })
}

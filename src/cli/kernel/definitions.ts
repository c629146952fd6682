/** `oxbow agents list|show|approve|revoke` and the same of graphs: definitions, and which of the workspace count. */
import { createInterface } from 'node:readline/promises'
import type { OutputOf } from '../../client/index.ts'
import { type DefinitionKind, OxbowError } from '../../types/index.ts'
import { withGuest } from '../guest-connection.ts'
import { isInteractive, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from './call.ts'

type Shown = OutputOf<'definition.show'>

/** @returns the verb under which people find definitions of a kind */
const verbOf = (kind: DefinitionKind): string => ['oxbow', kind === 'agents' ? 'agents' : 'graph'].join(' ')

const problemChars = 100

export function definitionsList(kind: DefinitionKind, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['definition.list', { kind }], options, terminal, ({ definitions }) => {
    if (definitions.length === 0)
      return `There are no definitions. Yours are files such as ~/.oxbow/${kind}/NAME.toml, those of the workspace /shared/.oxbow/${kind}/NAME.toml.`
    const rows = definitions.map(({ name, from, state, problem }) => [name, from, state, plainLine(problem, problemChars)])
    return table([['NAME', 'FROM', 'STATE', ''], ...rows])
  })
}

export function definitionShow(kind: DefinitionKind, name: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['definition.show', { kind, name }], options, terminal, shownText)
}

function shownText({ name, from, state, problem, hash, toml, text }: Shown): string {
  const head = `${name}, of the ${from}: ${state}${problem === '' ? '' : ` (${plainLine(problem, problemChars)})`}\nhash ${hash}`
  return [head, plainText(toml.trimEnd()), ...(text === '' ? [] : [plainText(text.trimEnd())])].join('\n\n')
}

export interface ApproveOptions extends CallOptions {
  readonly hash?: string | undefined
}

/** @returns 0 also when the person does not approve */
export function definitionApprove(kind: DefinitionKind, name: string, options: ApproveOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    let { hash } = options
    if (hash === undefined) {
      const shown = await outputOf(gateway, 'definition.show', { kind, name })
      if (shown.from === 'person') {
        printNotice(terminal, `${name} is yours and needs no approval.`)
        return 0
      }
      printText({ output: terminal.errors }, shownText(shown))
      if (!(await isApproved(kind, name, terminal))) return 0
      hash = shown.hash
    }
    const output = await outputOf(gateway, 'definition.approve', { kind, name, hash })
    printLine(terminal, options.json === true ? JSON.stringify(output) : `Approved ${name}. It counts until its files change.`)
    return 0
  })
}

async function isApproved(kind: DefinitionKind, name: string, terminal: Terminal): Promise<boolean> {
  if (!isInteractive(terminal))
    throw new OxbowError('bad_input', 'Approving needs a terminal, or the hash of what you have seen.', {
      hint: `${verbOf(kind)} show ${name} --json shows it; then: ${verbOf(kind)} approve ${name} --hash HASH`,
    })
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`Approve ${name}? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return true
    printNotice(terminal, 'Nothing was approved.')
    return false
  } finally {
    lines.close()
  }
}

export function definitionRevoke(kind: DefinitionKind, name: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const revoked = (output: { revoked: boolean }): string => (output.revoked ? `Revoked ${name}.` : `${name} was not approved.`)
  return showDestruction(['definition.revoke', { kind, name }], options, terminal, revoked, async (gateway) => {
    const target = await outputOf(gateway, 'definition.show', { kind, name })
    return { would: `take back the approval of ${name}`, target: { name, from: target.from, state: target.state, hash: target.hash } }
  })
}

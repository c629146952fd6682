/** `oxbow doctor` and `oxbow status`: show what works on this machine, what is missing, and how to install it. */
import { join } from 'node:path'
import { askOffline, configFiles } from '../../runner/index.ts'
import type { Config, DoctorCheck } from '../../types/index.ts'
import { type GuestChoice, guestSetup, withGuest } from '../guest-connection.ts'
import { exitOf, printLine, printText, type Terminal } from '../terminal.ts'
import { statusRows } from '../view/status-text.ts'
import { plainText, table } from '../../terminal/index.ts'

export interface DoctorOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** @returns 0 when the tier of the configuration works, else the code of a missing sandbox. */
export async function doctor(options: DoctorOptions, terminal: Terminal): Promise<number> {
  const place = guestSetup(options, terminal)
  const checks: DoctorCheck[] = []
  // Printed one by one: the slowest check takes seconds, and earlier results may already help.
  const tell = (check: DoctorCheck): void => {
    checks.push(check)
    if (options.json !== true) for (const text of describeCheck(check)) printText(terminal, plainText(text))
  }
  for await (const line of askOffline(place, { command: 'doctor' })) tell(line as DoctorCheck)
  const calls: KnownCall[] = []
  for await (const line of askOffline(place, { command: 'calls' })) calls.push(line as KnownCall)
  tell(checkNames(place.config, calls))
  const works = checks.some(({ required, state }) => required && state !== 'missing')
  if (options.json === true) printLine(terminal, JSON.stringify({ works, checks }))
  else printText(terminal, plainText(`\n${describeVerdict(checks)}`))
  return works ? 0 : exitOf('sandbox_missing')
}

const stateColumn = 8
const nameColumn = 17

/** @returns lines without a final newline */
export function describeCheck({ name, state, says, fix, required }: DoctorCheck): readonly string[] {
  const tierNote = required ? '  (sandbox.tier)' : ''
  const line = `${state.padEnd(stateColumn)}${name.padEnd(nameColumn)}${says}${tierNote}`
  return fix === '' ? [line] : [line, `${' '.repeat(stateColumn + nameColumn)}→ ${fix}`]
}

/** @returns a summary that begins with whether agents can work at all. */
export function describeVerdict(checks: readonly DoctorCheck[]): string {
  const required = checks.find((check) => check.required)
  const others = listed(checks, 'missing', 'Not here') + listed(checks, 'weak', 'Look at')
  if (required === undefined) return `The configured sandbox tier was not tested.${others}`
  const { name, state } = required
  if (state === 'missing') return `The configured ${name} does not work: agents have no files and no commands.${others}`
  return `The configured ${name} works${state === 'weak' ? ', with limits missing' : ''}.${others}`
}

function listed(checks: readonly DoctorCheck[], state: DoctorCheck['state'], word: string): string {
  const names = checks.filter((check) => !check.required && check.state === state).map(({ name }) => name)
  return names.length === 0 ? '' : ` ${word}: ${names.join(', ')}.`
}

// A policy rule for a misspelt call has no effect, which is easy to miss.

export interface KnownCall {
  readonly name: string
  readonly right: string
}

/** @returns the finding of `oxbow doctor`. */
export function checkNames(
  { agent, approval, flow }: Pick<Config, 'agent' | 'approval' | 'flow'>,
  calls: readonly KnownCall[],
): DoctorCheck {
  const names = new Set(calls.map(({ name }) => name))
  const rights = new Set(calls.map(({ right }) => right))
  const unknown = (key: string, used: readonly string[], valid: ReadonlySet<string>): readonly string[] =>
    used.filter((name) => !valid.has(name)).map((name) => `${key} names ${JSON.stringify(name)}`)
  const wrong = [
    ...unknown('agent.rights', agent.rights, rights),
    ...unknown('approval.rights', Object.keys(approval.rights), rights),
    ...unknown('approval.calls', Object.keys(approval.calls), names),
    ...unknown('flow.sinks', Object.keys(flow.sinks), names),
  ]
  const check = { name: 'configuration', required: false, ms: 0 } as const
  if (wrong.length === 0) return { ...check, state: 'ok', says: 'it names only existing rights and calls', fix: '' }
  return { ...check, state: 'weak', says: `${wrong.join(', ')}, which does not exist`, fix: '`oxbow calls` lists calls and rights' }
}

export interface StatusOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export async function status(options: StatusOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway, guest, setup: { home, workspace, config } }) => {
    const guestStatus = await gateway.status()
    if (options.json === true) {
      printLine(terminal, JSON.stringify({ ...guestStatus, workspace: workspace.root, running: !guest.owned }))
      return 0
    }
    const isolated = config.sandbox.isolate_guest ? ', in a container of its own without network' : ''
    const files = configFiles(home, workspace).map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
    const rows = [
      ['version', terminal.version],
      ['node', process.version],
      ['workspace', workspace.root],
      ['guest', guest.owned ? `not running (started to answer this${isolated})` : `running, pid ${guest.pid}, ${guest.url}`],
      ...files.map((path) => ['config', path]),
      ...statusRows(guestStatus, `a file: ${join(workspace.root, 'internal', 'oxbow.db')}`),
    ]
    printText(terminal, plainText(table(rows)))
    return 0
  })
}

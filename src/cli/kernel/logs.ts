/** `oxbow logs`: the lines of all that runs for a user, merged in the order of time. Read from the files, so that no guest has to run. */
import { OxbowError, type LogLevel, type LogLine, type LogRole, logRoles } from '../../base/index.ts'
import { followLog, type LogFilter, readLog } from '../../logs/index.ts'
import { logFolders, openHome, openWorkspace, parseUser } from '../../runner/index.ts'
import { plainLine, plainText, writtenOut } from '../../terminal/index.ts'
import { onInterrupt } from '../input.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { secondsOf } from '../verb-fields.ts'

export interface LogOptions {
  readonly user: string
  readonly role?: readonly string[] | undefined
  readonly since?: string | undefined
  readonly turn?: string | undefined
  readonly level: LogLevel
  readonly lines: number
  readonly format: 'text' | 'json'
  readonly follow?: boolean | undefined
  readonly json?: boolean | undefined
  /** In front of each line of text. */
  readonly named?: string | undefined
}

/** @throws OxbowError `bad_input` for a role or a time that cannot be meant */
export async function logs(options: LogOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const workspace = openWorkspace(home, parseUser(options.user))
  const folderOf = logFolders(home, workspace)
  const filter = filterOf(options, Date.now())
  const print = printTo(options, terminal)
  const over = new AbortController()
  onInterrupt(() => over.abort())
  // Begun before the files are read, so that no line falls between.
  const following = options.follow === true ? followLog(folderOf, filter, over.signal) : null
  const first = following?.next()
  const found = readLog(folderOf, filter, options.lines)
  found.forEach(print)
  if (found.length === 0 && !isJson(options))
    printNotice(terminal, `No lines fit. The logs are in ${plainText(workspace.logs)}; \`oxbow events\` shows what happens.`)
  if (following === null) return 0
  for (let next = await first!; next.done !== true; next = await following.next()) next.value.forEach(print)
  return 0
}

const isJson = ({ json, format }: LogOptions): boolean => json === true || format === 'json'

/** @returns prints a line as it is wished */
export function printTo(options: LogOptions, terminal: Terminal): (line: LogLine) => void {
  return (line) => printLine(terminal, isJson(options) ? writtenOut(JSON.stringify(line)) : `${options.named ?? ''}${textOf(line)}`)
}

export function filterOf({ role = [], since, turn = '', level }: LogOptions, now: number): LogFilter {
  const odd = role.find((name) => !isRole(name))
  if (odd !== undefined) throw new OxbowError('bad_input', `${JSON.stringify(odd)} is no role.`, { hint: `Roles: ${logRoles.join(', ')}.` })
  return { roles: role.filter(isRole), level, since: since === undefined ? 0 : timeOf(since, now), turn }
}

const isRole = (name: string): name is LogRole => logRoles.includes(name as LogRole)

/** @returns Unix milliseconds of a time, or of that long ago */
function timeOf(text: string, now: number): number {
  const at = /^\d+(?:\.\d+)?[smhd]$/.test(text.trim()) ? now - secondsOf(text) * 1_000 : Date.parse(text)
  if (!Number.isNaN(at)) return at
  throw new OxbowError('bad_input', `${JSON.stringify(text)} is not a time.`, {
    hint: 'Give a time such as 2026-11-26T10:00, or how long ago: 90s, 15m, 2h, 7d.',
  })
}

const maxFieldChars = 200

/** Whatever a line has, it prints as text: nothing in it moves the cursor or begins a line. */
function textOf({ time, level, role, msg, session, turn, call, ...rest }: LogLine): string {
  const at = new Date(time)
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().replace('T', ' ').slice(0, -1)
  const fields = Object.entries({ ...rest, session, turn, call }).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [`${plainLine(name, maxFieldChars)}=${plainLine(typeof value === 'string' ? value : JSON.stringify(value), maxFieldChars)}`],
  )
  const [first = '', ...more] = plainText(msg).split('\n')
  return [`${local}  ${level.padEnd(5)}  ${role.padEnd(7)}  ${[first, ...fields].join('  ')}`, ...more.map((line) => `    ${line}`)].join(
    '\n',
  )
}

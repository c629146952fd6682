/** `oxbow start`, `stop`, `restart`, `status --all` and `logs` of one user or all: by the daemon where one runs, else by servers of their own. */
import { readFileSync } from 'node:fs'
import { controlPlaceOf, findGuest, openHome, openWorkspace, parseUser, usersOf } from '../../runner/index.ts'
import { type LogLine, OxbowError } from '../../base/index.ts'
import type { UserStatus } from '../../protocol/index.ts'
import { formatTime, plainText, table } from '../../terminal/index.ts'
import { type GuestChoice, userWorkspace } from '../guest-connection.ts'
import { isInteractive, printFailure, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { defaultUser, ofUser } from '../verb-parts.ts'
import * as server from '../verbs/serve.ts'
import type { LogOptions } from '../kernel/logs.ts'
import { askHere, type UserChoice, whose } from './ask.ts'

export interface RunOptions extends GuestChoice, UserChoice {
  readonly json?: boolean | undefined
  readonly env?: readonly string[] | undefined
  readonly envFile?: string | undefined
  readonly tui?: boolean | undefined
}

/** In the foreground, without the daemon. */
export function serve(options: RunOptions, terminal: Terminal): Promise<number> {
  return server.serve(options, withVariables(terminal, variablesOf(options)))
}

export async function start(options: RunOptions, terminal: Terminal): Promise<number> {
  const variables = variablesOf(options)
  prepare(options, terminal)
  const answer = await askHere(terminal, 'start', (place) => ({ ...whose(options, place), env: variables }))
  const own = withVariables(terminal, variables)
  const exit =
    answer === null
      ? await each(options, terminal, (choice) => server.start(choice, own))
      : (assertPlain(options), sayAll(answer.users, options, terminal))
  return exit === 0 && options.tui === true ? openTui(options, terminal) : exit
}

export async function stop(options: UserChoice & { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const answer = await askHere(terminal, 'stop', (place) => whose(options, place))
  if (answer === null) return each(options, terminal, (choice) => server.stop(choice, terminal))
  const { users } = answer
  // What a terminal, or `oxbow serve`, runs is not the daemon's.
  if (users.length === 1 && users[0]?.stopped === false && options.all !== true && isPersonal(terminal))
    return server.stop(options, terminal)
  for (const { user, stopped } of users) {
    const name = users.length === 1 ? '' : `${user}: `
    if (options.json === true) printLine(terminal, JSON.stringify({ running: false, stopped, ...(users.length > 1 && { user }) }))
    else printText(terminal, `${name}${stopped ? 'Oxbow has stopped.' : 'Oxbow does not run.'}`)
  }
  return 0
}

export async function restart(options: RunOptions, terminal: Terminal): Promise<number> {
  const variables = variablesOf(options)
  const own = withVariables(terminal, variables)
  const status = await askHere(terminal, 'status', (place) => {
    const { user } = whose(options, place)
    return user === undefined ? {} : { user }
  }).catch(() => null)
  const isKept = status?.users.some(({ state }) => state !== 'stopped' && state !== 'other') === true
  if (!isKept && isPersonal(terminal)) return each(options, terminal, (choice) => server.restart(choice, own))
  if (isPersonal(terminal)) await each(options, terminal, async (choice) => (await server.assertStarts(choice, terminal), 0))
  const answer = await askHere(terminal, 'restart', (place) => ({ ...whose(options, place), env: variables }))
  if (answer === null) return each(options, terminal, (choice) => server.restart(choice, own))
  assertPlain(options)
  return sayAll(answer.users, options, terminal)
}

/** All users, or as an administrator one of them. */
export async function statusOfUsers(options: UserChoice & { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const answer = await askHere(terminal, 'status', (place) => (options.all === true ? {} : whose(options, place)))
  const users: readonly UserStatus[] = answer?.users ?? (await statusWithout(terminal))
  if (options.json === true) for (const status of users) printLine(terminal, JSON.stringify(status))
  else if (users.length === 0) printNotice(terminal, 'There are no users yet. `oxbow user add NAME` adds one.')
  else printLine(terminal, plainText(table([['user', 'state', 'since', 'process', 'about'], ...users.map(rowOf)])))
  return 0
}

function rowOf({ user, state, since, pid, url, reason }: UserStatus): readonly string[] {
  return [user, state, since === 0 ? '' : formatTime(since), pid === null ? '' : String(pid), reason || url]
}

export async function logs(options: LogOptions & UserChoice, terminal: Terminal): Promise<number> {
  const { filterOf, logs: ofUsers, printTo } = await import('../kernel/logs.ts')
  // Also of a user of system mode, whose files are their own.
  const { isAdmin, mode } = controlPlaceOf(terminal.env)
  const isOwn = mode === 'personal' || !isAdmin
  if (isOwn && options.all !== true) return ofUsers(options, terminal)
  if (isPersonal(terminal)) {
    const home = openHome(terminal.env)
    for (const user of usersOf(home)) await ofUsers({ ...options, user, follow: false, named: `${user}: ` }, terminal)
    return 0
  }
  const { roles, ...filter } = filterOf(options, Date.now())
  const wish = { ...filter, role: [...roles], lines: Math.min(options.lines, maxAskedLines) }
  const isOfDaemon = options.all !== true && roles.includes('daemon')
  const users = isOfDaemon
    ? [undefined]
    : (await askHere(terminal, 'status', (place) => (options.all === true ? {} : whose(options, place))))!.users.map(({ user }) => user)
  for (const user of users) {
    const answer = await askHere(terminal, 'logs', () => ({ ...wish, ...(user !== undefined && { user }) }))
    const print = printTo({ ...options, named: users.length > 1 ? `${user}: ` : '' }, terminal)
    for (const { more, ...line } of answer?.lines ?? []) print({ ...more, ...line } as LogLine)
  }
  if (options.follow === true) printNotice(terminal, 'To follow a log, become its user: sudo -u NAME oxbow logs -f')
  return 0
}

/** One reply has no more. */
const maxAskedLines = 5_000

/** @throws OxbowError `bad_input` */
export function variablesOf({ env = [], envFile }: Pick<RunOptions, 'env' | 'envFile'>): Record<string, string> {
  const { parseEnv } = process.getBuiltinModule('node:util')
  const ofFile = envFile === undefined ? {} : (parseEnv(fileText(envFile)) as Record<string, string>)
  const typed = env.map((pair): [string, string] => {
    const at = pair.indexOf('=')
    if (at > 0 && isName(pair.slice(0, at))) return [pair.slice(0, at), pair.slice(at + 1)]
    throw new OxbowError('bad_input', `${JSON.stringify(pair.slice(0, 80))} is no variable`, { hint: 'Write it as KEY=VALUE.' })
  })
  const odd = Object.keys(ofFile).find((name) => !isName(name))
  if (odd !== undefined)
    throw new OxbowError('bad_input', `${envFile} names ${JSON.stringify(odd)}`, { hint: 'Write a KEY=VALUE on each line.' })
  return { ...ofFile, ...Object.fromEntries(typed) }
}

const isName = (text: string): boolean => /^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(text)

function fileText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OxbowError('not_found', `the file ${path} cannot be read: ${(cause as Error).message}`, {
      hint: 'Give a file with KEY=VALUE lines.',
      cause,
    })
  }
}

function withVariables(terminal: Terminal, variables: Readonly<Record<string, string>>): Terminal {
  return Object.keys(variables).length === 0 ? terminal : { ...terminal, env: { ...terminal.env, ...variables } }
}

/** A home of one's own, with or without a daemon. */
function isPersonal(terminal: Pick<Terminal, 'env'>): boolean {
  return controlPlaceOf(terminal.env).mode === 'personal'
}

/** Makes the workspace of a new user, as every verb does. */
function prepare({ user, all }: UserChoice, terminal: Terminal): void {
  if (isPersonal(terminal) && all !== true) userWorkspace(openHome(terminal.env), user, terminal)
}

/** @throws OxbowError `bad_input` for options that only a server of its own can have */
function assertPlain({ model, baseUrl, insecure }: RunOptions): void {
  if (model === undefined && baseUrl === undefined && insecure !== true) return
  throw new OxbowError(
    'bad_input',
    'the daemon starts guests as they are configured; --model, --base-url and --insecure are for one start only',
    {
      hint: 'Set them: oxbow config set model.name MODEL, then oxbow restart. Or run a server of its own: oxbow serve',
    },
  )
}

async function each<Options extends UserChoice>(
  options: Options,
  terminal: Terminal,
  run: (choice: Options) => Promise<number>,
): Promise<number> {
  if (options.all !== true) return run(options)
  let exit = 0
  for (const user of usersOf(openHome(terminal.env))) {
    printNotice(terminal, `${user}:`)
    exit = (await run({ ...options, user })) || exit
  }
  return exit
}

function sayAll(users: readonly (UserStatus & { readonly started: boolean })[], options: RunOptions, terminal: Terminal): number {
  let exit = 0
  for (const { user, state, started, pid, url, reason, hint } of users) {
    const name = options.all === true ? `${user}: ` : ''
    if (pid !== null && (state === 'running' || state === 'other')) {
      const facts = { running: true, started, pid, url, ...(options.all === true && { user }) }
      if (options.json === true) printLine(terminal, JSON.stringify(facts))
      else if (started) printText(terminal, `${name}Oxbow runs: process ${pid}, ${url}\nStop it with: oxbow stop${ofUser(user)}`)
      else printText(terminal, `${name}Oxbow runs already: process ${pid}, ${url}`)
    } else {
      const message = `${name}Oxbow did not start: ${reason || state}`
      exit = printFailure(terminal, { code: 'guest_unreachable', message, hint: hint || `oxbow logs${ofUser(user)}` })
    }
  }
  return exit
}

/** Where no daemon runs. */
export async function statusWithout(terminal: Terminal): Promise<readonly UserStatus[]> {
  const home = openHome(terminal.env)
  const found = usersOf(home).map(async (user): Promise<UserStatus> => {
    const guest = await findGuest(openWorkspace(home, user))
    const none = { wanted: false, since: 0, losses: 0, hint: '', limits: '', reason: '' }
    return { user, state: guest === null ? 'stopped' : 'running', pid: guest?.pid ?? null, url: guest?.url ?? '', ...none }
  })
  return Promise.all(found)
}

async function openTui(options: RunOptions, terminal: Terminal): Promise<number> {
  const user = options.user === '' ? defaultUser : parseUser(options.user)
  if (isInteractive(terminal)) return (await import('../chat/full-screen.ts')).fullScreen({ user }, terminal)
  return (await import('../chat/chat.ts')).chat({ user }, terminal)
}

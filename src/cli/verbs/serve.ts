/** `oxbow serve`, `start`, `stop`, `restart` and `logs`: a guest without a terminal, in the foreground or in the background. */
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  assertListens,
  checkStartOf,
  ensureGuest,
  findGuest,
  loadConfig,
  openHome,
  parseUser,
  openWorkspace,
  type Workspace,
} from '../../runner/index.ts'
import { errorTable, isObject, isOxbowError, OxbowError, returnMemory, writeWhole } from '../../base/index.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { warnOfNames } from './known-names.ts'
import { onInterrupt } from '../input.ts'
import { logPollMs, maxLogChunk, noteMs, otherStartMs, startMs, stopMs } from '../limits.ts'
import { printFailure, printAnswer, printLine, printNotice, printOnce, printText, type Terminal } from '../terminal.ts'
import { ofUser } from '../verb-parts.ts'
import { plainText } from '../../terminal/index.ts'

export interface ServeOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** By then the first terminals are connected, and the processor is free. */
const restMs = 1_000

export async function serve(choice: ServeOptions, terminal: Terminal): Promise<number> {
  const options = guestSetup(choice, terminal)
  const stopped = new Promise<null>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(null))
    onInterrupt(() => resolve(null))
  })
  const guest = await ensureGuest(options)
  if (!guest.owned) {
    throw new OxbowError('workspace_busy', `process ${guest.pid} already serves this workspace at ${guest.url}`, {
      hint: `Use it, or stop it first: oxbow stop${ofUser(choice.user)}`,
    })
  }
  // Before it notes itself: what starts it in the background reads its warnings then. It serves all the same where they cannot be found.
  await warnOfNames(options, terminal).catch(() => {})
  const file = serverFile(options.workspace)
  writeWhole(file, JSON.stringify({ pid: process.pid, guest: guest.pid }))
  const token = `${options.workspace.ipc}/token`
  if (choice.json === true) printLine(terminal, JSON.stringify({ url: guest.url, token_file: token, pid: guest.pid }))
  else printLine(terminal, `gateway  ${guest.url}\ntoken    ${token}\npid      ${guest.pid}\nCtrl+C stops it.`)
  // From here on it signs a head now and then: what reading the configuration took is not needed again.
  setTimeout(returnMemory, restMs).unref()
  const failure = await Promise.race([guest.gone, stopped])
  await guest.stop()
  if (serverOf(options.workspace)?.pid === process.pid) rmSync(file, { force: true })
  return failure === null ? 0 : printFailure(terminal, failure)
}

export async function start(choice: ServeOptions, terminal: Terminal): Promise<number> {
  const { guest, started } = await startServer(choice, terminal)
  return sayStarted(guest, started, choice, terminal)
}

/** For what goes on after a verb has ended: where no guest runs, one is started that outlives the verb, and the person is told. */
export async function keepServing(choice: GuestChoice, terminal: Terminal): Promise<void> {
  const { guest, started } = await startServer(choice, terminal)
  if (started)
    printNotice(terminal, `notice: Oxbow runs in the background now (process ${guest.pid}); stop it with: oxbow stop${ofUser(choice.user)}`)
}

interface Started {
  readonly guest: { readonly pid: number; readonly url: string }
  /** False: it had been running. */
  readonly started: boolean
}

async function startServer(choice: GuestChoice, terminal: Terminal): Promise<Started> {
  // Says at once what is wrong with the configuration.
  const { workspace } = guestSetup(choice, terminal)
  const running = await findGuest(workspace)
  if (running !== null) return { guest: running, started: false }
  const path = join(workspace.logs, 'serve.log')
  const log = openSync(path, 'w', 0o600)
  const { model, baseUrl, insecure } = choice
  const options = [
    '--user',
    choice.user,
    ...(model === undefined ? [] : ['--model', model]),
    ...(baseUrl === undefined ? [] : ['--base-url', baseUrl]),
    ...(insecure === true ? ['--insecure'] : []),
  ]
  const child = spawn(process.execPath, [process.argv[1]!, 'serve', ...options], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...terminal.env },
  })
  closeSync(log)
  const ended = new AbortController()
  for (const end of ['exit', 'error']) child.once(end, () => ended.abort())
  child.unref()
  const served = async (): Promise<Started['guest'] | null> => {
    const guest = await findGuest(workspace)
    // The server notes itself a moment after its guest answers; `stop` needs that.
    return guest !== null && serverOf(workspace)?.guest === guest.pid ? guest : null
  }
  const guest = await lookFor(startMs, served, ended.signal)
  if (guest !== null) {
    for (const warning of warningsIn(readFileSync(path, 'utf8'))) printOnce(terminal, warning)
    return { guest, started: true }
  }
  const other = ended.signal.aborted ? await startedByOthers(workspace, child.exitCode) : null
  if (other !== null) return { guest: other, started: false }
  const said = plainText(readFileSync(path, 'utf8').trim().slice(-maxLogChunk))
  const foreground = `Try it in the foreground: oxbow serve${ofUser(choice.user)}`
  // One error and one thing to do, as the server said them.
  const [, fault = said, hint = foreground] = /^error: (.+(?:\n +.*)*)\nhint: (.+(?:\n +.*)*)/m.exec(said) ?? []
  throw new OxbowError('guest_unreachable', `Oxbow did not start: ${fault || 'it said nothing'}`, { hint })
}

/** Of several starts at once one is first, and a restart may end the server of another one before it starts its own. */
async function startedByOthers(workspace: Workspace, exit: number | null): Promise<Started['guest'] | null> {
  if (exit !== null && exit !== 0 && exit !== errorTable.workspace_busy.exit) return null
  return lookFor(otherStartMs, () => findGuest(workspace))
}

/** @param over ends the looking @returns what is found first; null: nothing within so long */
async function lookFor<Found>(
  withinMs: number,
  look: () => Promise<Found | null>,
  over?: Pick<AbortSignal, 'aborted'>,
): Promise<Found | null> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += logPollMs) {
    if (over?.aborted === true) return null
    const found = await look()
    if (found !== null) return found
    await sleep(logPollMs)
  }
  return null
}

/** What the server said to nobody, such as that the configuration cannot be used. Long lines are wrapped, with an indent. */
function warningsIn(log: string): readonly string[] {
  return plainText(log.slice(0, maxLogChunk)).match(/^warning: .*(?:\n +.*)*/gm) ?? []
}

/** @param started false if it had been running */
function sayStarted(
  { pid, url }: { readonly pid: number; readonly url: string },
  started: boolean,
  { user, json }: ServeOptions,
  terminal: Terminal,
): number {
  if (json === true) printLine(terminal, JSON.stringify({ running: true, started, pid, url }))
  else if (started) printText(terminal, `Oxbow runs: process ${pid}, ${url}\nStop it with: oxbow stop${ofUser(user)}`)
  else printText(terminal, `Oxbow runs already: process ${pid}, ${url}`)
  return 0
}

export async function stop(options: Pick<ServeOptions, 'user' | 'json'>, terminal: Terminal): Promise<number> {
  const stopped = await stopServer(options, terminal)
  return printAnswer({ running: false, stopped }, stopped ? 'Oxbow has stopped.' : 'Oxbow does not run.', options, terminal)
}

/** @returns whether it ran. @throws OxbowError `workspace_busy` for the guest of a terminal, `timeout` */
async function stopServer({ user }: Pick<ServeOptions, 'user'>, terminal: Terminal): Promise<boolean> {
  const workspace = openWorkspace(openHome(terminal.env), parseUser(user))
  const guest = await findGuest(workspace)
  if (guest === null) return false
  const server = await serverBehind(workspace, guest.pid)
  if (server === null) {
    throw new OxbowError('workspace_busy', `The guest, process ${guest.pid}, belongs to a terminal.`, {
      hint: 'It ends with that terminal: close the chat, or the program that started it.',
    })
  }
  process.kill(server.pid, 'SIGTERM')
  const gone = async (): Promise<true | null> =>
    serverOf(workspace)?.pid !== server.pid && (await findGuest(workspace)) === null ? true : null
  if ((await lookFor(stopMs, gone)) === true) return true
  throw new OxbowError('timeout', `Process ${server.pid} has not stopped within ${stopMs / 1_000} s.`, {
    hint: `End it: kill -9 ${server.pid}. Nothing that was acknowledged is lost.`,
  })
}

/** @throws OxbowError with what a start would refuse, or use the last configuration for; what runs goes on */
export async function restart(choice: ServeOptions, terminal: Terminal): Promise<number> {
  const before = await findGuest(openWorkspace(openHome(terminal.env), parseUser(choice.user)))
  if (before !== null) await assertStarts(choice, terminal, before.url)
  if (!(await stopServer(choice, terminal))) return start(choice, terminal)
  if (choice.json !== true) printText(terminal, 'Oxbow has stopped.')
  const { workspace } = guestSetup(choice, terminal)
  for (let waitedMs = 0; waitedMs < startMs; waitedMs += noteMs) {
    const { guest } = await startServer(choice, terminal)
    // What a terminal has started meanwhile ends with that terminal.
    if ((await serverBehind(workspace, guest.pid)) !== null) return sayStarted(guest, true, choice, terminal)
  }
  throw new OxbowError('workspace_busy', 'Oxbow has stopped, and a terminal uses the workspace since.', {
    hint: `When that terminal has ended: oxbow start${ofUser(choice.user)}`,
  })
}

async function assertStarts(choice: ServeOptions, terminal: Terminal, url: string): Promise<void> {
  try {
    const [home, overrides] = [openHome(terminal.env), { model: choice.model, baseUrl: choice.baseUrl }]
    loadConfig(home, openWorkspace(home, parseUser(choice.user)), overrides)
    const setup = guestSetup(choice, terminal)
    await checkStartOf(setup)
    await assertListens(setup.config, url)
  } catch (error) {
    if (!isOxbowError(error)) throw error
    const { code, message, hint } = error
    throw new OxbowError(code, `${message.replace(/\.?$/, '.')} Oxbow was not restarted and goes on as it is.`, {
      hint,
      cause: error,
    })
  }
}

interface LogOptions extends Pick<ServeOptions, 'user' | 'json'> {
  readonly lines: number
  readonly follow?: boolean | undefined
}

/** The log of the guest: what went wrong inside, in words for the maintainers. It has no message and no secret. */
export async function logs({ user, lines, follow, json }: LogOptions, terminal: Terminal): Promise<number> {
  const { logs: folder } = openWorkspace(openHome(terminal.env), parseUser(user))
  const path = join(folder, 'guest.log')
  let place: LogPlace = { file: 0, at: 0 }
  const over = new AbortController()
  const read = (): string => {
    const { text, next } = readFrom(path, place)
    place = next
    return text
  }
  const all = read().split('\n').slice(0, -1)
  const print = (line: string): void => printLine(terminal, json === true ? JSON.stringify({ line }) : line)
  for (const line of all.slice(-lines)) print(line)
  // A guest that has no trouble writes nothing.
  if (all.length === 0) printNotice(terminal, `The log is empty: ${plainText(path)}. \`oxbow events\` shows what happens.`)
  if (follow !== true) return 0
  onInterrupt(() => over.abort())
  while (!over.signal.aborted) {
    await sleep(logPollMs)
    const text = read()
    if (text !== '') for (const line of text.replace(/\n$/, '').split('\n')) print(line)
  }
  return 0
}

/** How far a log was read. */
interface LogPlace {
  /** Inode of the log: a guest that finds a long log renames it and begins another. */
  readonly file: number
  readonly at: number
}

/** @returns what a log has after a place, at most its last `maxLogChunk` bytes; a log that was begun anew is read from its start */
function readFrom(path: string, { file: before, at }: LogPlace): { readonly text: string; readonly next: LogPlace } {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return { text: '', next: { file: 0, at: 0 } }
  }
  try {
    const { size, ino } = fstatSync(file)
    const from = Math.max(ino !== before || size < at ? 0 : at, size - maxLogChunk)
    const bytes = Buffer.alloc(size - from)
    const length = readSync(file, bytes, 0, bytes.length, from)
    return { text: bytes.toString('utf8', 0, length), next: { file: ino, at: from + length } }
  } finally {
    closeSync(file)
  }
}

/** @returns the server of a guest, which notes itself a moment after its guest answers; null for the guest of a terminal */
async function serverBehind(workspace: Workspace, guest: number): Promise<Server | null> {
  return lookFor(noteMs, async () => {
    const server = serverOf(workspace)
    return server?.guest === guest ? server : null
  })
}

/** The process of `oxbow serve`, and the guest that it started. */
interface Server {
  readonly pid: number
  readonly guest: number
}

function serverFile({ ipc }: Workspace): string {
  return join(ipc, 'serve.json')
}

function serverOf(workspace: Workspace): Server | null {
  try {
    const written: unknown = JSON.parse(readFileSync(serverFile(workspace), 'utf8'))
    const [pid, guest] = isObject(written) ? [written['pid'], written['guest']] : []
    return Number.isSafeInteger(pid) && Number.isSafeInteger(guest) ? { pid: pid as number, guest: guest as number } : null
  } catch {
    return null
  }
}

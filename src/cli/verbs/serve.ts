/** `oxbow serve`, `start`, `stop` and `restart`: a guest without a terminal, in the foreground or in the background. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  assertListens,
  checkStartOf,
  keepGuest,
  findGuest,
  isSame,
  livingNote,
  loadConfig,
  noteOf,
  openHome,
  parseUser,
  openWorkspace,
  serverFile,
  type ServerNote,
  serverOf,
  type Workspace,
  writeNote,
} from '../../runner/index.ts'
import { asSentence, errorTable, isOxbowError, OxbowError, returnMemory } from '../../base/index.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { askHere, whose } from '../daemon/ask.ts'
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
  const stopped = new Promise<null>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(null))
    onInterrupt(() => resolve(null))
  })
  let file = ''
  const note = (guest: number | null): void => writeNote(file, { ...noteOf(process.pid), guest })
  const failure = await keepGuest({
    setup: () => guestSetup({ ...choice, isSafe: true }, terminal),
    stopped,
    async onStart(guest, options) {
      if (!guest.owned) {
        throw new OxbowError('workspace_busy', `process ${guest.pid} already serves this workspace at ${guest.url}`, {
          hint: `Use it, or stop it first: oxbow stop${ofUser(choice.user)}`,
        })
      }
      // Before it notes itself: what starts it in the background reads its warnings then. It serves all the same where they cannot be found.
      if (file === '') await warnOfNames(options, terminal).catch(() => {})
      file = serverFile(options.workspace)
      note(guest.pid)
      const token = `${options.workspace.ipc}/token`
      if (choice.json === true) printLine(terminal, JSON.stringify({ url: guest.url, token_file: token, pid: guest.pid }))
      else printLine(terminal, `gateway  ${guest.url}\ntoken    ${token}\npid      ${guest.pid}\nCtrl+C stops it.`)
      // From here on it signs a head now and then: what reading the configuration took is not needed again.
      setTimeout(returnMemory, restMs).unref()
    },
    onLoss({ message }, pauseMs) {
      note(null)
      printNotice(terminal, `notice: ${plainText(message)}; another one is started in ${pauseMs / 1_000} s`)
    },
  })
  if (file !== '' && livingNote(file)?.pid === process.pid) rmSync(file, { force: true })
  return failure === null ? 0 : printFailure(terminal, failure)
}

export async function start(choice: ServeOptions, terminal: Terminal): Promise<number> {
  const { guest, started } = await startServer(choice, terminal)
  return sayStarted(guest, started, choice, terminal)
}

/** For what goes on after a verb has ended: where no guest runs, one is started that outlives the verb, and the person is told. */
export async function keepServing(choice: GuestChoice, terminal: Terminal): Promise<void> {
  const answer = await askHere(terminal, 'start', (place) => whose(choice, place))
  const [kept] = answer?.users ?? []
  const { guest, started } =
    kept !== undefined && kept.pid !== null ? { guest: { pid: kept.pid }, started: kept.started } : await startServer(choice, terminal)
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
  const { workspace } = guestSetup({ ...choice, isSafe: true }, terminal)
  const running = (await findGuest(workspace)) ?? (await nextOf(workspace))
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

/** @returns the next guest of a server that has lost its own, or is about to have one; null: no server runs */
async function nextOf(workspace: Workspace): Promise<Started['guest'] | null> {
  if (serverOf(workspace) === null) return null
  const ended = new AbortController()
  const next = async (): Promise<Started['guest'] | null> => {
    if (serverOf(workspace) === null) ended.abort()
    return findGuest(workspace)
  }
  return lookFor(startMs, next, ended.signal)
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
  // One that has lost its guest, and pauses before the next, is stopped as well.
  const server = (guest === null ? null : await serverBehind(workspace, guest.pid)) ?? serverOf(workspace)
  if (guest === null && server === null) return false
  if (server === null) {
    throw new OxbowError('workspace_busy', `The guest, process ${guest?.pid}, belongs to a terminal.`, {
      hint: 'It ends with that terminal: close the chat, or the program that started it.',
    })
  }
  process.kill(server.pid, 'SIGTERM')
  const gone = async (): Promise<true | null> =>
    isSame(server) || (server.guest !== null && (await findGuest(workspace))?.pid === server.guest) ? null : true
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

/** @param url of the guest that runs; absent: looked for @throws OxbowError with what a start would refuse */
export async function assertStarts(choice: ServeOptions, terminal: Terminal, url?: string): Promise<void> {
  try {
    const [home, overrides] = [openHome(terminal.env), { model: choice.model, baseUrl: choice.baseUrl }]
    loadConfig(home, openWorkspace(home, parseUser(choice.user)), overrides)
    const setup = guestSetup(choice, terminal)
    await checkStartOf(setup)
    const now = url ?? (await findGuest(setup.workspace))?.url
    if (now !== undefined) await assertListens(setup.config, now)
  } catch (error) {
    if (!isOxbowError(error)) throw error
    const { code, message, hint } = error
    throw new OxbowError(code, `${asSentence(message)} Oxbow was not restarted and goes on as it is.`, {
      hint,
      cause: error,
    })
  }
}

/** @returns the server of a guest, which notes itself a moment after its guest answers; null for the guest of a terminal */
async function serverBehind(workspace: Workspace, guest: number): Promise<ServerNote | null> {
  return lookFor(noteMs, async () => {
    const server = serverOf(workspace)
    return server?.guest === guest ? server : null
  })
}

/** The operations on sessions. */
import type { SessionEnd, SessionEntry, SessionKey, SessionOps, HandlersOf } from '../../protocol/index.ts'
import type { CommandOptions } from '../commands/run-command.ts'
import { failed } from '../failure.ts'
import { toRealPlace } from '../files/workspace-path.ts'
import {
  keepEndedMs,
  maxCommandBytes,
  maxEndedSessions,
  maxGoneSessions,
  maxSessionInputBytes,
  maxSessions,
  maxTerminalCells,
  maxWaitingInputBytes,
  promptSettleMs,
  redrawMs,
  shownCommandCharacters,
} from '../limits.ts'
import { openSession, type Session } from './shell-session.ts'

export interface Sessions {
  readonly ops: HandlersOf<SessionOps>
  /** Ends all sessions. */
  close(): Promise<void>
}

/** @param options absent without a sandbox */
export function openSessions(options: CommandOptions | undefined): Sessions {
  const keeper = createSessionKeeper()
  return { ops: sessionOperations(keeper, options), close: () => keeper.close() }
}

function sessionOperations(keeper: SessionKeeper, options: CommandOptions | undefined): HandlersOf<SessionOps> {
  return {
    async sessionOpen(input) {
      if (options === undefined) throw failed('sandbox_missing', 'Commands are off without a sandbox.', 'Install bubblewrap.')
      const { command, kind, terminal } = input
      if (Buffer.byteLength(command) > maxCommandBytes || command.includes('\0')) {
        throw failed('bad_input', 'The command is too long, or holds a NUL character.', 'Write a script file and run that.')
      }
      if (terminal !== null) checkSize(terminal)
      const { real } = await toRealPlace(options.roots, input.cwd)
      const shown = command.slice(0, shownCommandCharacters).toWellFormed()
      const session = await keeper.add(input.owner, kind, async () => {
        const opened = await openSession(input, real, options)
        return { ...opened, facts: { ...opened.facts, command: shown } }
      })
      return { id: session.id, terminal: session.facts.terminal }
    },
    sessionWrite({ owner, id, text, keys }) {
      const session = keeper.find(owner, id)
      const total = session.outlet.total()
      sendInput(session, text, keys)
      return Promise.resolve({ total })
    },
    async sessionRead(input, signal) {
      const session = keeper.find(input.owner, input.id)
      const output = await session.outlet.read(input, signal)
      // If processes survive, the close fails, and the sandbox is ended.
      if (output.ended !== null) await session.over
      session.seen ||= output.ended !== null && output.next === output.total
      return output
    },
    async sessionResize({ owner, id, columns, rows }, signal) {
      const session = keeper.find(owner, id)
      checkSize({ columns, rows })
      if (!session.facts.terminal) throw failed('tool_failed', `${id} has no terminal.`, 'Open one with a terminal.')
      const { outlet } = session
      if (outlet.ended() !== null) return { columns, rows }
      const [waits, from] = [outlet.prompt() !== null, outlet.total()]
      session.process.resize(columns, rows)
      // A shell redraws its prompt: that must not count as the reply to the next input.
      if (waits) await outlet.read({ owner, id, from, ...untilRedrawn }, signal)
      return { columns, rows }
    },
    sessionSignal({ owner, id, signal, to }) {
      const session = keeper.find(owner, id)
      const pids = session.outlet.ended() !== null ? [] : to === 'all' ? session.everything() : session.foreground()
      for (const pid of pids) signalQuietly(pid, signal)
      return Promise.resolve({ processes: pids.length })
    },
    async sessionClose({ owner, id }) {
      const session = keeper.find(owner, id)
      const ended = await session.close()
      keeper.forget(session, `was closed${session.outlet.ended() === null ? '' : `, and ${describeEnd(ended)}`}`)
      return { ended, total: session.outlet.total() }
    },
    sessionList: ({ owner }) => Promise.resolve({ sessions: keeper.list(owner) }),
  }
}

const untilRedrawn = { maxBytes: Infinity, waitMs: redrawMs, until: 'output', quietMs: promptSettleMs, plain: false } as const

function checkSize({ columns, rows }: { columns: number; rows: number }): void {
  const fits = (cells: number): boolean => Number.isInteger(cells) && cells > 0 && cells <= maxTerminalCells
  if (!fits(columns) || !fits(rows)) throw failed('bad_input', 'A terminal has 1 to 1000 columns and rows.', 'Name another size.')
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended since the table was read.
  }
}

// All sessions of these hands: ids, owners, limits, and how ended ones ended.

interface KeptSession extends Session {
  readonly id: string
  readonly owner: string
  /** Its end and all of its output have been read. */
  seen: boolean
}

interface SessionKeeper {
  /** @throws the failure `limit_reached` when all sessions are in use, or what `open` throws */
  add(owner: string, kind: SessionEntry['kind'], open: () => Promise<Session>): Promise<KeptSession>
  /** @throws the failure `not_found`, which says how the session ended, if it is known */
  find(owner: string, id: string): KeptSession
  forget(session: KeptSession, why: string): void
  list(owner: string): SessionEntry[]
  /** Ends all of them. Never rejects. */
  close(): Promise<void>
}

interface Kept {
  readonly session: KeptSession
  readonly begunMs: number
  endedMs: number | null
}

function createSessionKeeper(): SessionKeeper {
  // Distinguishes ids of earlier hands from ids that never existed.
  const run = Date.now().toString(36).slice(-6)
  const kept = new Map<string, Kept>()
  const dropped = new Map<string, { readonly owner: string; readonly why: string }>()
  let opening = 0
  let count = 0
  const mayUse = (requester: string, owner: string): boolean => requester === '' || requester === owner
  const ofOwner = (owner: string) => [...kept.values()].filter(({ session }) => mayUse(owner, session.owner))

  const forget = (session: KeptSession, why: string): void => {
    kept.delete(session.id)
    dropped.set(session.id, { owner: session.owner, why })
    for (const id of dropped.keys()) if (dropped.size > maxGoneSessions) dropped.delete(id)
  }
  const sweep = (): void => {
    const now = performance.now()
    const ended = [...kept.values()].filter((each) => each.endedMs !== null)
    const drop = ({ session }: Kept): void => forget(session, `${describeEnd(session.outlet.ended())}; its output is no longer kept`)
    for (const each of ended) if (now - each.endedMs! > keepEndedMs) drop(each)
    // Drops those that were read first, oldest first.
    const left = ended.filter(({ session }) => kept.has(session.id)).toSorted((a, b) => Number(b.session.seen) - Number(a.session.seen))
    for (const each of left.slice(0, Math.max(0, left.length - maxEndedSessions))) drop(each)
  }
  return {
    async add(owner, kind, open) {
      sweep()
      const living = [...kept.values()].filter((each) => each.endedMs === null).length
      if (living + opening >= maxSessions)
        throw failed('limit_reached', `All ${maxSessions} sessions are in use.`, `Close one. ${openOnes(ofOwner(owner))}`)
      opening += 1
      try {
        const opened = await open()
        const session: KeptSession = Object.assign(opened, { id: `${kind}-${(count += 1)}-${run}`, owner, seen: false })
        const entry: Kept = { session, begunMs: performance.now(), endedMs: null }
        kept.set(session.id, entry)
        const end = (): void => void (entry.endedMs = performance.now())
        session.over.then(end, end)
        return session
      } finally {
        opening -= 1
      }
    },
    find(owner, id) {
      sweep()
      const session = kept.get(id)?.session
      if (session !== undefined && mayUse(owner, session.owner)) return session
      const former = dropped.get(id)
      const hint = openOnes(ofOwner(owner))
      if (former !== undefined && mayUse(owner, former.owner)) throw failed('not_found', `${id} is dropped: it ${former.why}.`, hint)
      if (/^(?:shell|job)-\d{1,9}-[a-z0-9]{1,12}$/.test(id) && !id.endsWith(`-${run}`))
        throw failed('not_found', `${id} was open before the sandbox was started again: it ended then, and its output is dropped.`, hint)
      throw failed('not_found', `There is no session of this name.`, hint)
    },
    forget,
    list(owner) {
      sweep()
      return ofOwner(owner).map(entryOf)
    },
    async close() {
      await Promise.allSettled([...kept.values()].map(({ session }) => session.close()))
    },
  }
}

function entryOf({ session, begunMs }: Kept): SessionEntry {
  const { id, facts, outlet } = session
  const ageMs = Math.round(performance.now() - begunMs)
  return { id, ...facts, ageMs, total: outlet.total(), ended: outlet.ended(), prompt: outlet.prompt() }
}

function describeEnd(end: SessionEnd | null): string {
  if (end === null) return 'was closed'
  if (end.exitCode !== null) return `ended with exit code ${end.exitCode}`
  return end.signal === null ? 'ended' : `was ended by ${end.signal}`
}

function openOnes(entries: readonly Kept[]): string {
  const ids = entries.map(({ session }) => session.id)
  return ids.length === 0 ? 'No session is open: open one.' : `Open sessions: ${ids.join(', ')}.`
}

// Input of a session. With a terminal it is bytes only; without one, some keys are emulated.

/** @throws the failures `tool_failed` when nothing reads it, `bad_input`, `limit_reached` */
function sendInput(session: KeptSession, text: string, keys: readonly SessionKey[]): void {
  const { outlet, process, id } = session
  const { input, terminal } = process
  const end = outlet.ended()
  if (end !== null) throw failed('tool_failed', `${id} ${describeEnd(end)}: it takes no input.`, 'Its output can still be read.')
  if (input === null) throw failed('tool_failed', `${id} is a job and takes no input.`, 'Open a session, and start the program in it.')
  if (!input.isOpen()) throw failed('tool_failed', `The input of ${id} is closed.`, 'Open another session.')
  const bytes = Buffer.byteLength(text)
  if (bytes > maxSessionInputBytes) throw failed('limit_reached', 'The input is too long.', 'Write it to a file, and pass its path.')
  if (input.waitingBytes() + bytes > maxWaitingInputBytes) {
    throw failed('limit_reached', `What runs in ${id} does not read its input.`, 'Wait for it, or end it with a signal.')
  }
  if (terminal) {
    // The enter key of a terminal sends CR.
    const typed = text.replaceAll(/\r?\n/g, '\r') + keys.map((key) => keyBytes[key]).join('')
    outlet.wrote(typed.split('\r').length - 1)
    input.write(typed)
    return
  }
  const refused = keys.find((key) => !withoutTerminal.has(key))
  if (refused !== undefined) throw failed('bad_input', `${refused} needs a terminal.`, 'Open a session with one.')
  outlet.wrote(text.split('\n').length - 1 + keys.filter((key) => key === 'enter').length)
  input.write(text)
  for (const key of keys) {
    if (key === 'enter') input.write('\n')
    else if (key === 'tab') input.write('\t')
    else if (key === 'ctrl_d') input.end()
    // As a terminal does: to the shell too, which may be between two commands or at its prompt.
    else for (const pid of [process.pid, ...session.foreground()]) kill(pid, key === 'ctrl_c' ? 'SIGINT' : 'SIGQUIT')
  }
}

/** Bytes of the keys, as xterm sends them in normal mode. */
const keyBytes: Readonly<Record<SessionKey, string>> = {
  enter: '\r',
  tab: '\t',
  escape: '\u001B',
  backspace: '\u007F',
  delete: '\u001B[3~',
  up: '\u001B[A',
  down: '\u001B[B',
  right: '\u001B[C',
  left: '\u001B[D',
  home: '\u001B[H',
  end: '\u001B[F',
  page_up: '\u001B[5~',
  page_down: '\u001B[6~',
  ctrl_a: '\u0001',
  ctrl_c: '\u0003',
  ctrl_d: '\u0004',
  ctrl_e: '\u0005',
  ctrl_k: '\u000B',
  ctrl_l: '\u000C',
  ctrl_r: '\u0012',
  ctrl_u: '\u0015',
  ctrl_w: '\u0017',
  ctrl_x: '\u0018',
  ctrl_z: '\u001A',
  ctrl_backslash: '\u001C',
}

const withoutTerminal: ReadonlySet<SessionKey> = new Set(['enter', 'tab', 'ctrl_c', 'ctrl_d', 'ctrl_backslash'])

function kill(pid: number, signal: 'SIGINT' | 'SIGQUIT'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended since the table was read.
  }
}

/** What the kernel may ask about sessions. */
import type { SessionOps } from '../../types/index.ts'
import type { CommandOptions } from '../commands/run-command.ts'
import { failed } from '../failure.ts'
import { toRealPlace } from '../files/workspace-path.ts'
import type { HandlersOf } from '../handlers.ts'
import { maxCommandBytes, maxTerminalCells, promptSettleMs, redrawMs, shownCommandCharacters } from '../limits.ts'
import { sendInput } from './session-input.ts'
import { createSessionKeeper, describeEnd } from './session-keeper.ts'
import type { SessionKeeper } from './session-keeper.ts'
import { openSession } from './shell-session.ts'

export interface Sessions {
  readonly ops: HandlersOf<SessionOps>
  /** Ends them all. */
  close(): Promise<void>
}

/** @param options absent where there is no sandbox to hold a process */
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
      // Processes that cannot be ended are told to who asks: the sandbox goes with them.
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
      // A shell draws its prompt again: it must not be taken for the answer to what is written next.
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

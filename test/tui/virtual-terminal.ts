/** The real program in a real pseudo-terminal, and a terminal without a screen that reads what it writes. */
import { spawn } from '@lydell/node-pty'
import xterm from '@xterm/headless'
import { program } from '../support/built.ts'

/** Marks of synchronized output. */
const frameBegin = '\u001b[?2026h'
const frameEnd = '\u001b[?2026l'
/** A test that waits longer has failed; on a machine that works it takes a second. */
const patienceMs = 20_000

export interface VirtualTerminal {
  /** The rows of the screen, without blanks at their ends. */
  rows(): readonly string[]
  /** Resolves when the screen shows the text. @throws with the screen when it does not */
  see(...texts: readonly (string | RegExp)[]): Promise<void>
  /** Resolves when it does not show it any more. */
  unsee(text: string): Promise<void>
  /** Resolves when it holds; looked at after each write. */
  until(holds: () => boolean): Promise<void>
  /** Types these keys again until it holds: the program may not take them yet. */
  typeUntil(keys: string, holds: () => boolean): Promise<void>
  type(keys: string): void
  resize(columns: number, rows: number): void
  /** Colours of the cell where the text begins; -1: the terminal's own. */
  coloursAt(text: string): { readonly foreground: number; readonly background: number }
  /** True while the program draws on the alternate screen. */
  isFullScreen(): boolean
  /** How often the whole screen was cleared, and bytes that were written. */
  written(): { readonly clears: number; readonly bytes: number }
  readonly pid: number
  readonly exit: Promise<number>
}

export interface Opening {
  readonly home: string
  /** Command that runs the program as another account. */
  readonly stepDown?: readonly string[]
  readonly args?: readonly string[]
  readonly columns?: number
  readonly lines?: number
  readonly env?: Readonly<Record<string, string>>
  /** What the terminal answers when it is asked for its background; default: nothing. */
  readonly background?: string
}

export function openTerminal(opening: Opening): VirtualTerminal {
  const { home, stepDown = [], args = [], columns = 100, lines = 30, env = {}, background } = opening
  const all = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: home, TERM: 'xterm-256color', CI: '1', ...env }
  const [file = '', ...words] = [...stepDown, process.execPath, program, ...args]
  const pty = spawn(file, words, { cols: columns, rows: lines, cwd: home, env: all })
  const screen = new xterm.Terminal({ cols: columns, rows: lines, allowProposedApi: true })
  const watchers = new Set<() => void>()
  let [clears, bytes] = [0, 0]
  // A frame is one write of the program, but not one of the pseudo-terminal: half a frame is nothing that a person sees.
  let isWhole = true
  let tail = ''
  const looked = (): void => {
    if (isWhole) watchers.forEach((watch) => watch())
  }
  pty.onData((data) => {
    clears += data.split('\u001b[2J').length - 1
    bytes += Buffer.byteLength(data)
    if (background !== undefined && data.includes('\u001b]11;?')) pty.write(`\u001b]11;${background}\u0007`)
    const recent = tail + data
    tail = recent.slice(-frameEnd.length)
    screen.write(data, () => {
      const [begun, ended] = [recent.lastIndexOf(frameBegin), recent.lastIndexOf(frameEnd)]
      if (begun >= 0 || ended >= 0) isWhole = ended > begun
      looked()
    })
  })
  screen.onData((answer) => pty.write(answer))
  const exit = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)))
  const rows = (): readonly string[] => rowsOf(screen)
  const until = async (fits: (text: string) => boolean, wanted: string): Promise<void> => {
    const done = Promise.withResolvers<void>()
    const watch = (): void => void (fits(rows().join('\n')) && done.resolve())
    const timer = setTimeout(() => {
      pty.kill('SIGKILL')
      done.reject(new Error(`${wanted}; the screen is:\n${rows().join('\n')}`))
    }, patienceMs)
    watchers.add(watch)
    looked()
    void exit.then((code) => done.reject(new Error(`${wanted}: the program has ended with ${code}; the screen is:\n${rows().join('\n')}`)))
    await done.promise.finally(() => {
      watchers.delete(watch)
      clearTimeout(timer)
    })
  }
  return {
    rows,
    see: (...texts) =>
      until(
        (text) => texts.every((one) => (typeof one === 'string' ? text.includes(one) : one.test(text))),
        `did not see ${texts.map(String).join(', ')}`,
      ),
    unsee: (gone) => until((text) => !text.includes(gone), `still sees ${gone}`),
    until: (holds) => until(holds, 'it did not come to hold'),
    async typeUntil(keys, holds) {
      const timer = setInterval(() => pty.write(keys), 50)
      await until(holds, `typing ${keys} did not help`).finally(() => clearInterval(timer))
    },
    type: (keys) => pty.write(keys),
    resize(width, height) {
      screen.resize(width, height)
      pty.resize(width, height)
    },
    coloursAt: (text) => coloursOf(screen, text),
    isFullScreen: () => screen.buffer.active.type === 'alternate',
    written: () => ({ clears, bytes }),
    pid: pty.pid,
    exit,
  }
}

function rowsOf(screen: InstanceType<typeof xterm.Terminal>): readonly string[] {
  const { active } = screen.buffer
  return Array.from({ length: screen.rows }, (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '')
}

function coloursOf(screen: InstanceType<typeof xterm.Terminal>, text: string): ReturnType<VirtualTerminal['coloursAt']> {
  const rows = rowsOf(screen)
  const row = rows.findIndex((line) => line.includes(text))
  const { active } = screen.buffer
  const cell = active.getLine(active.baseY + row)?.getCell(rows[row]?.indexOf(text) ?? 0)
  return { foreground: cell?.getFgColor() ?? -1, background: cell?.getBgColor() ?? -1 }
}

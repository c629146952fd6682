/**
 * The terminal itself, by pi-tui: raw mode, the names of keys, pasted text, the mouse, and drawing of the rows that have changed. Keys go
 * to our reducer alone; the library keeps the mouse, for selecting text, and the terminal's answers.
 */
import {
  CURSOR_MARKER,
  decodeKittyPrintable,
  isKeyRelease,
  parseKey,
  ProcessTerminal,
  setCapabilities,
  sliceByColumn,
  type Terminal,
  TuiAltScreen,
  type TuiMouseEvent,
  visibleWidth,
} from '@earendil-works/pi-tui'
import type { Event, ThemeName } from './state.ts'
import type { Frame } from './view/screen.ts'

export interface DriverEvents {
  readonly frame: () => Frame
  readonly onEvent: (event: Event) => void
}

export interface Driver {
  start(): void
  /** Draws as soon as the screen may change again, every 16 ms at the most. */
  draw(): void
  /** Draws everything again. */
  redraw(): void
  /** Gives the terminal back to the shell until `fg`. */
  suspend(): void
  /** Leaves the screen as it was before. */
  stop(): Promise<void>
  size(): { readonly columns: number; readonly rows: number }
  /** Asks the terminal for its background. @returns null when it does not say */
  background(): Promise<ThemeName | null>
}

/** Time enough for an answer over a slow connection: nothing waits for it but the end of a program that is left at once. */
const backgroundTimeoutMs = 1_000
const notStoppedMs = 200

export function createDriver({ frame, onEvent }: DriverEvents): Driver {
  // No hyperlinks and no pictures: what a model writes is shown, never opened.
  setCapabilities({ images: null, trueColor: false, hyperlinks: false })
  const inner = new ProcessTerminal()
  const size = (): { readonly columns: number; readonly rows: number } => ({
    columns: Math.max(20, inner.columns),
    rows: Math.max(6, inner.rows),
  })
  const onKeys = (data: string): void => {
    const event = readInput(data)
    if (event !== null) onEvent(event)
  }
  const terminal = withKeys(inner, onKeys, () => onEvent({ type: 'resize', ...size() }))
  const tui = new TuiAltScreen(terminal, true, undefined, { wheelScrollLines: 3 })
  // Also when the program ends by a failure: a terminal in raw mode is of no use to anybody.
  const leave = (): void => tui.stop({ preserveScreen: true })
  tui.setLayoutRoot({
    invalidate() {},
    render: (width) => withCursor(frame(), width),
    handleMouse(event) {
      const taken = mouseEvent(event, frame)
      if (taken !== null) onEvent(taken)
      return taken === null ? undefined : { handled: true, render: true }
    },
  })
  return {
    start() {
      tui.start()
      process.once('exit', leave)
    },
    draw: () => tui.requestRender(),
    redraw: () => tui.requestRender(true),
    suspend() {
      if (process.platform === 'win32') return
      tui.stop({ preserveScreen: true })
      const goOn = (): void => {
        clearTimeout(notStopped)
        process.off('SIGCONT', goOn)
        tui.start()
        onEvent({ type: 'resize', ...size() })
        tui.requestRender(true)
      }
      process.once('SIGCONT', goOn)
      // Without a shell that controls jobs, the signal does nothing.
      const notStopped = setTimeout(goOn, notStoppedMs)
      // The whole group: the shell waits for the process that it has started, which may be another one.
      process.kill(0, 'SIGTSTP')
    },
    async stop() {
      leave()
      process.off('exit', leave)
      await inner.drainInput(100, 10)
    },
    size,
    async background() {
      const colour = await tui.queryTerminalBackgroundColor({ timeoutMs: backgroundTimeoutMs }).catch(() => undefined)
      if (colour === undefined) return null
      return 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b > lightFrom ? 'light' : 'dark'
    },
  }
}

/** Brightness from which a background is light, of 255. */
const lightFrom = 140

/** The same terminal, whose keys go elsewhere. */
function withKeys(inner: ProcessTerminal, onKeys: (data: string) => void, onResize: () => void): Terminal {
  return {
    start(onInput, onSize) {
      const resized = (): void => {
        onResize()
        onSize()
      }
      inner.start((data) => (isAnswer(data) ? onInput(data) : onKeys(data)), resized)
    },
    stop: () => inner.stop(),
    drainInput: (maxMs, idleMs) => inner.drainInput(maxMs, idleMs),
    write: (data) => inner.write(data),
    get columns() {
      return inner.columns
    },
    get rows() {
      return inner.rows
    },
    get kittyProtocolActive() {
      return inner.kittyProtocolActive
    },
    moveBy: (lines) => inner.moveBy(lines),
    hideCursor: () => inner.hideCursor(),
    showCursor: () => inner.showCursor(),
    clearLine: () => inner.clearLine(),
    clearFromCursor: () => inner.clearFromCursor(),
    clearScreen: () => inner.clearScreen(),
    setTitle: (title) => inner.setTitle(title),
    setProgress: (active) => inner.setProgress(active),
  }
}

/** Mouse, focus, and what a terminal answers to questions about its colours and size. */
function isAnswer(data: string): boolean {
  // oxlint-disable-next-line no-control-regex -- escape sequences
  return /^\u001b(?:\[<|\[[IO]$|\[M|\]|\[\?|\[\d+;\d+;\d+t$|P|_)/.test(data)
}

// oxlint-disable-next-line no-control-regex -- what a key that types something does not have
const control = /[\u0000-\u001f\u007f-\u009f]/
const pasteStart = '\u001b[200~'
const pasteEnd = '\u001b[201~'

/** @param data one key, or one pasted text, as the terminal sends it @returns null for what is no key */
function readInput(data: string): Event | null {
  if (data.startsWith(pasteStart)) return { type: 'paste', text: data.slice(pasteStart.length).replace(pasteEnd, '') }
  if (isKeyRelease(data)) return null
  if (data === '\n') return { type: 'key', key: 'ctrl+j' }
  const printable = decodeKittyPrintable(data) ?? (control.test(data) ? undefined : data)
  if (printable !== undefined && printable !== '') return { type: 'text', text: printable }
  const key = parseKey(data)
  if (key === undefined) return null
  const shifted = /^shift\+([a-z])$/.exec(key)
  return shifted === null ? { type: 'key', key } : { type: 'text', text: shifted[1]!.toUpperCase() }
}

function mouseEvent(event: TuiMouseEvent, frame: () => Frame): Event | null {
  if (event.type === 'wheel') return { type: 'wheel', lines: event.wheelDelta ?? 0 }
  if (event.type !== 'click' || event.button !== 'left') return null
  const item = frame().items[event.y] ?? null
  return item === null ? null : { type: 'click', item }
}

/** @returns the lines, with the library's mark where the cursor is to stand */
function withCursor({ lines, cursor }: Frame, width: number): string[] {
  if (cursor === null) return [...lines]
  return lines.map((line, row) => {
    if (row !== cursor.row) return line
    const missing = cursor.column - visibleWidth(line)
    if (missing >= 0) return `${line}${' '.repeat(missing)}${CURSOR_MARKER}`
    return `${sliceByColumn(line, 0, cursor.column)}${CURSOR_MARKER}${sliceByColumn(line, cursor.column, width)}`
  })
}

/** Writes lines by the destination of pino, a file for each role, which is replaced when it is full. Loaded after the start. */
import { type LogLine, type LogRole } from '../base/index.ts'
import { join } from 'node:path'
import { pino } from 'pino'
import { maxFileBytes as usualFileBytes, maxWaitingBytes, reopenMs } from './limits.ts'
import { fileOf, shiftFiles, sizeOf } from './role-files.ts'

export interface LogFiles {
  write(line: LogLine): void
  /** Writes what waits before it returns. */
  flushNow(): void
  /** Resolves when all lines are written, or cannot be. */
  close(): Promise<void>
}

interface FileOptions {
  readonly folder: string | null
  readonly hide: (text: string) => string
  readonly onFault: (error: unknown) => void
  readonly onLost: (lines: number) => void
  readonly maxFileBytes?: number
}

/** Lines that are written by one call. */
const mostTogether = 128

type Destination = ReturnType<typeof pino.destination>

interface OpenFile {
  readonly destination: Destination
  write(line: LogLine): void
  /** Gives the destination the lines that were written since the event loop's last round. */
  pass(): void
  /** Resolves when all lines are written, or cannot be. */
  end(): Promise<void>
}

export function openFiles(options: FileOptions): LogFiles {
  const open = new Map<LogRole, OpenFile>()
  const fileFor = (role: LogRole): OpenFile => {
    const held = open.get(role) ?? openFile(role, options)
    open.set(role, held)
    return held
  }
  return {
    write: (line) => fileFor(line.role).write(line),
    flushNow() {
      for (const { destination, pass } of open.values())
        try {
          pass()
          destination.flushSync()
        } catch {
          // Not open yet, or the disk is full.
        }
    },
    close: async () => void (await Promise.all([...open.values()].map((file) => file.end()))),
  }
}

function openFile(role: LogRole, { folder, hide, onFault, onLost, maxFileBytes = usualFileBytes }: FileOptions): OpenFile {
  const dest = folder === null ? 2 : join(folder, fileOf(role, 0))
  const destination = pino.destination({ dest, sync: false, mode: 0o600, maxLength: maxWaitingBytes })
  let isEnding = false
  let [bytes, triedAt] = [folder === null ? 0 : sizeOf(dest as string), 0]
  destination.on('write', (count: number) => {
    bytes += count
    // One that ends opens no other file: what comes last stays where it is.
    if (folder !== null && bytes >= maxFileBytes && !isEnding) replace()
  })
  destination.on('drop', (text: string) => onLost(text.split('\n').length - 1))
  destination.on('error', (error: Error) => {
    onFault(error)
    const now = performance.now()
    if (folder === null || now - triedAt < reopenMs) return
    triedAt = now
    setTimeout(() => destination.reopen(), reopenMs).unref()
  })
  const replace = (): void => {
    bytes = 0
    try {
      shiftFiles(folder!, role)
      destination.reopen()
    } catch (error) {
      onFault(error)
    }
  }
  let lines: string[] = []
  const pass = (): void => {
    const written = lines
    lines = []
    try {
      if (written.length > 0) destination.write(hide(written.join('')))
    } catch (error) {
      // It has been closed.
      onLost(written.length)
      onFault(error)
    }
  }
  const write = (line: LogLine): void => {
    if (lines.push(`${JSON.stringify(line)}\n`) === 1) setImmediate(pass)
    else if (lines.length >= mostTogether) pass()
  }
  const end = (): Promise<void> => {
    isEnding = true
    pass()
    return ended(destination)
  }
  return { destination, write, pass, end }
}

const closeMs = 1_000

function ended(destination: Destination): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, closeMs)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    destination.once('close', done)
    destination.once('error', done)
    destination.end()
  })
}

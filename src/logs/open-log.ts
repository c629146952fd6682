/**
 * A log of one process. Lines wait in memory until the writer is loaded, after the start, and are then written without waiting by pino. What
 * still waits when the process ends is written at once: a process of a second never loads the writer, and one that dies has no time to.
 */
import { appendFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  errorMessage,
  type JsonObject,
  setOwn,
  truncate,
  type Log,
  type LogLevel,
  logLevels,
  type LogLine,
  type LogRole,
} from '../base/index.ts'
import { loadMs, maxFileBytes, maxLineChars, maxWaitingLines } from './limits.ts'
import { fileOf, shiftFiles, sizeOf } from './role-files.ts'
import type { LogFiles } from './log-files.ts'

export interface LogOptions {
  /** The files are written there, readable by their owner only. Null: all lines go to standard error. */
  readonly folder: string | null
  readonly level?: LogLevel
  /** Unix milliseconds. */
  readonly now?: () => number
  /** Lowered by tests. */
  readonly maxFileBytes?: number
  readonly loadMs?: number
}

/** A log that can also be written to its end without waiting. */
export interface OwnLog extends Log {
  /** Writes what waits before it returns, for a process that dies. Never throws. */
  flushNow(): void
}

/** Writes a line at once. */
export type Note = (level: LogLevel, msg: string, fields?: JsonObject) => void

/** For a process that may end at any moment, and has little to say: nothing is loaded for it. */
export function openNotes(folder: string, role: LogRole, limits: Pick<LogOptions, 'maxFileBytes'> = {}): Note {
  const log = openLog({ folder, ...limits })
  return (...line) => {
    log.write(role, ...line)
    log.flushNow()
  }
}

export function openLog({ folder, level = 'info', now = Date.now, ...limits }: LogOptions): OwnLog {
  let least = logLevels.indexOf(level)
  let hide = (text: string): string => text
  let waiting: LogLine[] = []
  let files: LogFiles | null = null
  let loading: Promise<void> | null = null
  let [lost, fault] = [0, '']
  let timer: NodeJS.Timeout | undefined

  const failed = (error: unknown): void => {
    fault = errorMessage(error)
  }
  const load = (): Promise<void> =>
    (loading ??= import('./log-files.ts')
      .then(({ openFiles }) => {
        files = openFiles({ folder, hide: (text) => hide(text), onFault: failed, onLost: (count) => (lost += count), ...limits })
        for (const line of waiting) files.write(line)
        waiting = []
      })
      .catch(failed))
  const flushNow = (): void => {
    clearTimeout(timer)
    files?.flushNow()
    const lines = waiting
    waiting = []
    for (const line of lines) {
      try {
        const text = `${hide(JSON.stringify(line))}\n`
        if (folder === null) writeSync(2, text)
        else {
          const path = join(folder, fileOf(line.role, 0))
          if (sizeOf(path) >= (limits.maxFileBytes ?? maxFileBytes)) shiftFiles(folder, line.role)
          appendFileSync(path, text, { mode: 0o600 })
        }
      } catch (error) {
        lost += 1
        failed(error)
      }
    }
  }
  return {
    write(role, of, msg, fields, at = now()) {
      if (logLevels.indexOf(of) < least) return
      const line = lineOf(at, role, of, hide, msg, fields)
      if (files !== null) return files.write(line)
      if (waiting.length >= maxWaitingLines) return void (lost += 1)
      waiting.push(line)
      timer ??= setTimeout(() => void load(), limits.loadMs ?? loadMs).unref()
    },
    settle(how) {
      if (how.level !== undefined) least = logLevels.indexOf(how.level)
      if (how.hide !== undefined) hide = how.hide
    },
    problem: () => (lost === 0 && fault === '' ? '' : `${lost} lines were lost${fault === '' ? '' : `: ${fault}`}`),
    flushNow,
    async close() {
      // The writer has lines under way, which must stay in front of those that wait; without one they are written here.
      if (loading === null) flushNow()
      await loading
      await files?.close()
      flushNow()
    },
  }
}

/** Names that a field cannot take. */
const ownNames: ReadonlySet<string> = new Set(['time', 'level', 'role', 'msg'])

/** A text is cut behind its secrets: of a secret that is cut in two, the rest would be shown. */
function lineOf(at: number, role: LogRole, level: LogLevel, hide: (text: string) => string, msg: string, fields: JsonObject = {}): LogLine {
  const cut = <Value>(value: Value): Value | string =>
    typeof value === 'string' && value.length > maxLineChars ? truncate(hide(value), maxLineChars) : value
  const line = { time: new Date(at).toISOString(), level, role }
  for (const [name, value] of Object.entries(fields)) if (!ownNames.has(name)) setOwn(line, name, cut(value))
  return Object.assign(line, { msg: cut(msg) })
}

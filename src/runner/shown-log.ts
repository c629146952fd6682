/** The logs of a user as programs are shown them: the same lines as `oxbow logs` prints, as far as they fit an answer. */
import { join } from 'node:path'
import { type JsonObject, type LogLine, type LogRole, truncate, withoutSequences } from '../base/index.ts'
import { readLog } from '../logs/index.ts'
import { type LogPage, logWish, type LogWish, type ShownLogLine } from '../protocol/index.ts'
import { maxLogBytes } from './daemon/limits.ts'
import type { Home, Workspace } from './home.ts'
import { maxShownLogLine } from './limits.ts'

export type LogFolders = (role: LogRole) => string | null

/** Where the lines of a role are: the daemon of a home belongs to no user of it, and in system mode to root. */
export function logFolders(home: Pick<Home, 'runner' | 'system'>, { logs }: Pick<Workspace, 'logs'>): LogFolders {
  return (role) => (role !== 'daemon' ? logs : home.system === null ? join(home.runner, 'logs') : null)
}

/** @param maxBytes of all lines together, as JSON */
export function shownLog(folderOf: LogFolders, { lines: most, role: roles, ...filter }: LogWish, maxBytes: number): LogPage['lines'] {
  let bytes = 0
  const newest = readLog(folderOf, { roles, ...filter }, most)
    .toReversed()
    .map(shownLine)
    .filter((line) => (bytes += Buffer.byteLength(JSON.stringify(line)) + 1) <= maxBytes)
  return newest.toReversed()
}

/** Of a line that is too long its beginning, which has time and cause. */
function shownLine({ time, level, role, msg, session, turn, call, ...more }: LogLine): ShownLogLine {
  const isLong = JSON.stringify(more).length > maxShownLogLine
  const ids = Object.fromEntries(Object.entries({ session, turn, call }).filter(([, id]) => id !== undefined))
  return {
    time,
    level,
    role,
    msg: truncate(withoutSequences(msg), maxShownLogLine),
    ...ids,
    more: isLong ? { cut: true } : (more as JsonObject),
  }
}

/** As a user of system mode, whose files are in the way of that user only. @returns lines as JSON */
export function logOf(home: string, wish: string): string {
  const logs = join(home, 'users', 'default', 'logs')
  return JSON.stringify(shownLog((role) => (role === 'daemon' ? null : logs), logWish.parse(JSON.parse(wish)), maxLogBytes))
}

/**
 * Reads logs back: the files of all roles as one stream in the order of time. A line that is not of a log, such as what Node writes when a guest
 * dies, is shown by itself, together with the indented lines after it, at the time of the log line before it or, without one, when its file was last written.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isObject, type LogLevel, logLevels, type LogLine, type LogRole, logRoles } from '../base/index.ts'
import { followMs, keptFiles, maxFollowBytes, maxLineChars, tailBytes, tailGrowth } from './limits.ts'
import { fileOf, stderrFile } from './role-files.ts'

export interface LogFilter {
  /** Empty: all. */
  readonly roles: readonly LogRole[]
  /** Lines of this level and of more urgent ones. */
  readonly level: LogLevel
  /** Unix milliseconds. */
  readonly since: number
  /** Beginning of the id of a turn; empty: all lines. */
  readonly turn: string
}

export const everyLine: LogFilter = { roles: [], level: 'trace', since: 0, turn: '' }

/** A file that is read, and whose lines it has. */
interface Source {
  readonly role: LogRole
  readonly path: (index: number) => string
  /** Files behind the one that is written. */
  readonly older: number
}

/** @param folderOf where the lines of a role are; null: nowhere */
function sourcesOf(folderOf: (role: LogRole) => string | null, { roles }: LogFilter): readonly Source[] {
  return logRoles.flatMap((role): readonly Source[] => {
    const folder = folderOf(role)
    if (folder === null || (roles.length > 0 && !roles.includes(role))) return []
    const own: Source = { role, path: (index) => join(folder, fileOf(role, index)), older: keptFiles - 1 }
    const raw = (index: number): string => join(folder, index === 0 ? stderrFile : `${stderrFile}.${index}`)
    return role === 'guest' ? [own, { role, path: raw, older: 1 }] : [own]
  })
}

/** @returns the newest lines, oldest first */
export function readLog(folderOf: (role: LogRole) => string | null, filter: LogFilter, most: number): readonly LogLine[] {
  const found = sourcesOf(folderOf, filter).flatMap((source) => newestOf(source, filter, most))
  return inOrder(found).slice(-most)
}

function newestOf(source: Source, filter: LogFilter, most: number): readonly LogLine[] {
  let lines: readonly LogLine[] = []
  for (let index = 0; index <= source.older && lines.length < most; index += 1) {
    for (let bytes = tailBytes; ; bytes *= tailGrowth) {
      const file = readEnd(source.path(index), bytes)
      const found = file === null ? [] : linesOf(file.text, source.role, file.changedAt, filter)
      // What was read from the middle is read again, with more in front of it.
      if (file?.isWhole === false && lines.length + found.length < most) continue
      if (file !== null && file.changedAt < filter.since) return lines
      lines = [...found, ...lines]
      break
    }
  }
  return lines.slice(-most)
}

interface FileEnd {
  /** From the beginning of a line. */
  readonly text: string
  readonly isWhole: boolean
  readonly changedAt: number
}

/** @returns null where there is no such file */
function readEnd(path: string, most: number): FileEnd | null {
  try {
    const file = openSync(path, 'r')
    try {
      const { size, mtimeMs: changedAt } = fstatSync(file)
      const from = Math.max(0, size - most)
      const bytes = Buffer.alloc(size - from)
      const read = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from))
      return { text: read.toString('utf8', from === 0 ? 0 : read.indexOf(10) + 1), isWhole: from === 0, changedAt }
    } finally {
      closeSync(file)
    }
  } catch {
    return null
  }
}

function linesOf(text: string, role: LogRole, changedAt: number, filter: LogFilter): readonly LogLine[] {
  const lines: LogLine[] = []
  let [time, raw] = [new Date(changedAt).toISOString(), '']
  const endRaw = (): void => {
    if (raw !== '') lines.push({ time, level: 'error', role, msg: raw })
    raw = ''
  }
  for (const each of text.split('\n')) {
    if (each.trim() === '') continue
    // The places of a trace stay with their error, and so does the end of its fields.
    if (raw !== '' && /^(?:\s|\}$)/.test(each)) {
      if (raw.length < maxLineChars) raw += `\n${each}`
      continue
    }
    endRaw()
    const line = parseLine(each, role)
    if (line === null) raw = each
    else {
      lines.push(line)
      time = line.time
    }
  }
  endRaw()
  return lines.filter((line) => passes(line, filter))
}

function passes({ time, level, turn }: LogLine, filter: LogFilter): boolean {
  return (
    logLevels.indexOf(level) >= logLevels.indexOf(filter.level) &&
    Date.parse(time) >= filter.since &&
    (filter.turn === '' || (turn?.startsWith(filter.turn) ?? false))
  )
}

/** @returns null for a text that no log has written. Anybody's text may be in it: fields are not trusted */
function parseLine(text: string, role: LogRole): LogLine | null {
  try {
    const value: unknown = JSON.parse(text)
    if (!isObject(value)) return null
    const { time, level, msg, session, turn, call } = value
    const isLine = typeof time === 'string' && !Number.isNaN(Date.parse(time)) && typeof msg === 'string'
    if (!isLine || !logLevels.includes(level as LogLevel)) return null
    const ids = Object.entries({ session, turn, call }).filter(([, id]) => typeof id === 'string')
    const { session: _, turn: __, call: ___, ...rest } = value
    return { ...rest, time, level: level as LogLevel, role, msg, ...(Object.fromEntries(ids) as { turn?: string }) }
  } catch {
    return null
  }
}

function inOrder(lines: readonly LogLine[]): readonly LogLine[] {
  return [...lines].sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0))
}

/** How far a file was read. */
interface Place {
  readonly file: number
  readonly at: number
  /** Another file had its name already at the look before: nothing more comes into it. */
  readonly isOver: boolean
}

/** Yields the lines that are written from now on, in the order of time as far as they come together. */
export async function* followLog(
  folderOf: (role: LogRole) => string | null,
  filter: LogFilter,
  signal: AbortSignal,
): AsyncGenerator<readonly LogLine[]> {
  const sources = sourcesOf(folderOf, filter)
  const places = new Map(sources.map((source) => [source, endOf(source.path(0))]))
  while (!signal.aborted) {
    const lines = sources.flatMap((source) => {
      const { text, next } = readOn(source, places.get(source)!)
      places.set(source, next)
      return linesOf(text, source.role, Date.now(), filter)
    })
    if (lines.length > 0) yield inOrder(lines)
    await sleep(followMs, undefined, { signal }).catch(() => {})
  }
}

function endOf(path: string): Place {
  const found = statOf(path)
  return { file: found?.ino ?? 0, at: found?.size ?? 0, isOver: false }
}

function statOf(path: string): { readonly ino: number; readonly size: number } | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null
}

/**
 * A file that was replaced is read to its end once more, a look later: its writer may have had lines under way.
 * @returns the whole lines behind a place, of this file and of the next one
 */
function readOn({ path, older }: Source, place: Place): { readonly text: string; readonly next: Place } {
  const files = Array.from({ length: older + 1 }, (_, index) => statOf(path(index))?.ino ?? 0)
  const index = place.file === 0 ? -1 : files.indexOf(place.file)
  const begun = (at: number): ReturnType<typeof readOn> => {
    const { text, at: end } = readFrom(path(at), files[at]!, 0)
    return { text, next: { file: files[at]!, at: end, isOver: false } }
  }
  if (index === -1) return files[0] === 0 ? { text: '', next: place } : begun(0)
  const { text, at } = readFrom(path(index), place.file, place.at)
  const rest = { text, next: { file: place.file, at, isOver: index > 0 } }
  if (!place.isOver || files[index - 1] === 0) return rest
  const newer = begun(index - 1)
  return { text: text + newer.text, next: newer.next }
}

/** @returns what is there up to the last line feed, and the place behind it; of more than `maxFollowBytes` the end */
function readFrom(path: string, ino: number, at: number): { readonly text: string; readonly at: number } {
  try {
    const file = openSync(path, 'r')
    try {
      const { size, ino: found } = fstatSync(file)
      // Replaced in the meantime: the next look finds it.
      if (found !== ino) return { text: '', at }
      const from = Math.max(size < at ? 0 : at, size - maxFollowBytes)
      const bytes = Buffer.alloc(size - from)
      const length = readSync(file, bytes, 0, bytes.length, from)
      const end = bytes.subarray(0, length).lastIndexOf(10) + 1
      return { text: bytes.toString('utf8', 0, end), at: from + end }
    } finally {
      closeSync(file)
    }
  } catch {
    return { text: '', at }
  }
}

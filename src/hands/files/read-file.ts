/** Reads a range of lines in one pass: memory is bounded by the range, not by the file. */
import type { Stats } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { posix } from 'node:path'
import type { HandsOps } from '../../protocol/index.ts'
import { failed, fromSystemError, systemCode, throwIfCancelled } from '../failure.ts'
import { maxEditBytes, maxReadBytes, readBlockBytes } from '../limits.ts'
import { contentHash, createContentHash, type FileVersion } from './file-state.ts'
import { isInside, openRegularFile, type Place, type Root, toNamedPlace, toPlace, toVirtual } from './workspace-path.ts'

const lineEnd = 10

/** Collects the requested lines from blocks and counts all. A line ends with `\n`; a last line without one counts too. */
function createLinePicker(range: HandsOps['read']['input']) {
  const kept: Buffer[] = []
  let keptBytes = 0
  /** Length of the whole lines in `kept`. */
  let whole = { bytes: 0, lines: 0 }
  let line = 1
  let endsOpen = false
  let truncated = false

  /** Keeps the requested part of a line, or of its part in this block. */
  const keep = (piece: Buffer, ends: boolean): void => {
    if (line < range.fromLine || truncated) return
    const room = range.maxBytes - keptBytes
    truncated = line >= range.fromLine + range.maxLines || piece.length > room
    if (line >= range.fromLine + range.maxLines) return
    kept.push(piece.subarray(0, room))
    keptBytes += Math.min(piece.length, room)
    if (ends && !truncated) whole = { bytes: keptBytes, lines: line - range.fromLine + 1 }
  }
  return {
    push(block: Buffer): void {
      for (let at = 0; at < block.length;) {
        const end = block.indexOf(lineEnd, at)
        const stop = end === -1 ? block.length : end + 1
        endsOpen = end === -1
        keep(block.subarray(at, stop), !endsOpen)
        if (!endsOpen) line += 1
        at = stop
      }
    },
    finish() {
      const totalLines = endsOpen ? line : line - 1
      const all = Buffer.concat(kept)
      // An incomplete line is left out unless it is the only one.
      if (truncated && whole.lines > 0) return { ...linesOf(all.subarray(0, whole.bytes)), lines: whole.lines, totalLines, truncated }
      const { text, newline } = linesOf(all)
      const lines = keptBytes === 0 ? 0 : Math.max(1, whole.lines + (endsOpen && !truncated ? 1 : 0))
      return { text: truncated && !newline ? text.replace(/\uFFFD$/, '') : text, newline, lines, totalLines, truncated }
    },
  }
}

/** The newline that ends the last line belongs to the file, not to the text of its lines. */
function linesOf(lines: Buffer): { readonly text: string; readonly newline: boolean } {
  const newlineEnds = lines.at(-1) === lineEnd
  return { text: lines.toString('utf8', 0, lines.length - (newlineEnds ? 1 : 0)), newline: newlineEnds }
}

/** @throws `not_text` for a NUL byte or invalid UTF-8 anywhere in the file. */
export async function readFile(
  roots: readonly Root[],
  input: HandsOps['read']['input'],
  signal: AbortSignal,
): Promise<HandsOps['read']['output']> {
  const { file, virtual, stats } = await openRegularFile(roots, input.path)
  try {
    const picker = createLinePicker(input)
    const hash = createContentHash()
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    for (;;) {
      throwIfCancelled(signal)
      // A new buffer each time: the picker keeps slices of it.
      const buffer = Buffer.allocUnsafe(Math.min(readBlockBytes, Math.max(1, stats.size)))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      const block = buffer.subarray(0, bytesRead)
      if (block.includes(0) || !decodes(decoder, block, bytesRead > 0)) throw notText(virtual, stats.size)
      if (bytesRead === 0) break
      hash.update(block)
      picker.push(block)
    }
    return { ...picker.finish(), fromLine: input.fromLine, bytes: stats.size, hash: hash.digest() }
  } finally {
    await file.close()
  }
}

function decodes(decoder: InstanceType<typeof TextDecoder>, block: Buffer, stream: boolean): boolean {
  try {
    decoder.decode(block, { stream })
    return true
  } catch {
    return false
  }
}

function notText(virtual: string, bytes: number): Error {
  return failed(
    'not_text',
    `${virtual} is a binary file of ${bytes} bytes.`,
    'Read a range of it with file_bytes, or use a command such as `file` or `strings`.',
  )
}

interface WholeText {
  /** `real` has every link followed. */
  readonly place: Place
  readonly text: string
  readonly mode: number
  readonly hash: string
  readonly standing: FileVersion
}

/**
 * A text file to be written back: decoding and encoding it gives the same bytes. @throws `not_text`, `limit_reached` or as opening does.
 */
export async function readWholeText(roots: readonly Root[], path: string): Promise<WholeText> {
  const { file, stats, virtual, real } = await openRegularFile(roots, path)
  try {
    if (stats.size > maxEditBytes) {
      throw failed('limit_reached', `${virtual} is too large to edit (${stats.size} bytes).`, 'Use a command such as sed.')
    }
    const bytes = await file.readFile()
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    // Bytes that do not survive decoding would be damaged by writing it back.
    if (bytes.includes(0) || !Buffer.from(text).equals(bytes)) throw notText(virtual, stats.size)
    return { place: { virtual, real }, text, mode: stats.mode & 0o777, hash: contentHash(bytes), standing: stats }
  } finally {
    await file.close()
  }
}

// Reads a range of any file.

export async function readBytes(
  roots: readonly Root[],
  input: HandsOps['bytes']['input'],
  signal: AbortSignal,
): Promise<HandsOps['bytes']['output']> {
  const { file, virtual, stats } = await openRegularFile(roots, input.path)
  try {
    const left = Math.max(0, stats.size - input.offset)
    const range = Buffer.allocUnsafe(Math.min(left, input.maxBytes, maxReadBytes))
    let filled = 0
    while (filled < range.length) {
      throwIfCancelled(signal)
      const { bytesRead } = await file.read(range, filled, Math.min(readBlockBytes, range.length - filled), input.offset + filled)
      // The file was truncated meanwhile.
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return { content: range.subarray(0, filled), offset: input.offset, totalBytes: stats.size, modifiedMs: stats.mtimeMs }
  } catch (error) {
    throw fromSystemError(error, virtual)
  } finally {
    await file.close()
  }
}

// Describes what has this name; a link as the last part is not followed.

type Output = HandsOps['stat']['output']

const missing: Output = { kind: 'missing', bytes: 0, modifiedMs: 0, executable: false, linkTarget: '', names: 0 }

export async function statPath(roots: readonly Root[], input: HandsOps['stat']['input']): Promise<Output> {
  const place = toPlace(roots, input.path)
  try {
    // A root has no parent here, and is not a link.
    const { real } = place.isRoot ? place : await toNamedPlace(roots, place)
    const stats = await lstat(real)
    const kind = kindOf(stats)
    return {
      kind,
      bytes: kind === 'folder' ? 0 : stats.size,
      modifiedMs: stats.mtimeMs,
      executable: kind === 'file' && (stats.mode & 0o111) !== 0,
      linkTarget: kind === 'link' ? shownTarget(roots, await readlink(real)) : '',
      names: kind === 'file' ? stats.nlink : 0,
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return missing
    throw fromSystemError(error, place.virtual)
  }
}

/** Without a sandbox a link may name a path of the host, which must not be revealed. */
function shownTarget(roots: readonly Root[], target: string): string {
  if (!posix.isAbsolute(target) || roots.every(({ virtual, real }) => virtual === real)) return target
  return isInside(roots, target) ? toVirtual(roots, target) : '(outside the workspace)'
}

function kindOf(stats: Stats): Exclude<Output['kind'], 'missing'> {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'other'
}

/**
 * A disk that forgets. A program runs under strace, which records its writes and syncs; from that follows what a power cut at any moment
 * leaves of its files: everything that a sync had covered, and of the writes since then any part, in sectors.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'sync' }

interface Traced {
  readonly file: string
  readonly change: Change
  /** Lines of the trace where it began and ended. */
  readonly began: number
  readonly ended: number
}

export interface TracedRun {
  /** Number of moments at which the power can fail. */
  readonly moments: number
  /** Lines that the program had printed by then. */
  printedAt(moment: number): readonly string[]
  /**
   * Writes what is left of the files into a folder, under their own names.
   * @param keeps decides for each sector that no sync covers whether it had reached the disk
   */
  leaveAt(moment: number, folder: string, keeps: () => boolean): void
}

const sectorBytes = 512
const traced = 'pwrite64,write,fsync,fdatasync,ftruncate'

/** @returns false, or why programs cannot be traced here; in CI that is a failure */
export function tracingSkip(): string | false {
  if (spawnSync('strace', ['-V']).status === 0) return false
  if (process.env['CI'] === 'true') throw new Error('strace is missing')
  return 'strace is missing: apt-get install strace'
}

/** @param folder of the files that are looked at, and of the trace */
export function traceRun(args: readonly string[], folder: string): TracedRun {
  const trace = join(folder, 'trace')
  const flags = ['-f', '-q', '-xx', '-y', '-s', '65536', '-e', `trace=${traced}`, '-e', 'signal=none', '-o', trace]
  const { status, stderr } = spawnSync('strace', [...flags, process.execPath, ...args], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the traced program ended with ${status}: ${stderr}`)
  return readTrace(readFileSync(trace, 'latin1').split('\n'), folder)
}

function readTrace(lines: readonly string[], folder: string): TracedRun {
  const changes: Traced[] = []
  const printed: { readonly text: string; readonly at: number }[] = []
  /** Calls that other threads interrupted, by thread. */
  const begun = new Map<string, { readonly text: string; readonly at: number }>()
  for (const [ended, line] of lines.entries()) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const unfinished = / <unfinished \.\.\.>$/.exec(text)
    if (unfinished !== null) {
      begun.set(thread, { text: text.slice(0, unfinished.index), at: ended })
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(text)
    const start = resumed === null ? { text: '', at: ended } : (begun.get(thread) ?? { text: '', at: ended })
    readCall(start.text + text.slice(resumed?.[0].length ?? 0), start.at, ended)
  }

  function readCall(text: string, began: number, ended: number): void {
    const [, name, fd, path = '', rest = ''] = /^(\w+)\((\d+)<([^>]*)>(.*)\) += +\d+/.exec(text) ?? []
    const [, data = '', , at = ''] = /^, "((?:\\x[0-9a-f]{2})*)", (\d+)(?:, (\d+))?$/.exec(rest) ?? []
    if (name === 'write' && fd === '1') printed.push({ text: bytesOf(data).toString().trim(), at: ended })
    const file = bytesOf(path).toString()
    // The index of the log is memory that processes share. The rollback journal is removed before the log is made, and the folder synced.
    if (!file.startsWith(`${folder}/`) || /-(?:shm|journal)$/.test(file)) return
    const put = (change: Change): void => void changes.push({ file: file.slice(folder.length + 1), change, began, ended })
    if (name === 'pwrite64') put({ kind: 'write', at: Number(at), bytes: bytesOf(data) })
    else if (name === 'ftruncate') put({ kind: 'truncate', size: Number(rest.slice(2)) })
    else if (name === 'fsync' || name === 'fdatasync') put({ kind: 'sync' })
  }

  const files = Map.groupBy(changes, ({ file }) => file)
  /** The line from which a change survives: where the first sync ended that began after it. */
  const safeFrom = new Map(
    [...files.values()].flatMap((own) => {
      const syncs = own.filter(({ change }) => change.kind === 'sync')
      return own.map((each) => [each, syncs.find(({ began }) => began > each.ended)?.ended ?? Infinity] as const)
    }),
  )
  return {
    moments: lines.length,
    printedAt: (moment) => printed.filter(({ at }) => at <= moment).map(({ text }) => text),
    leaveAt(moment, target, keeps) {
      mkdirSync(target, { recursive: true })
      for (const [file, own] of files) {
        const before = own.filter(({ began }) => began <= moment)
        writeFileSync(
          join(target, file),
          contentOf(before, (each) => (safeFrom.get(each) ?? Infinity) <= moment, keeps),
        )
      }
    },
  }
}

function bytesOf(escaped: string): Buffer {
  return escaped.startsWith('\\x') ? Buffer.from(escaped.replaceAll('\\x', ''), 'hex') : Buffer.from(escaped, 'latin1')
}

function contentOf(changes: readonly Traced[], isSafe: (each: Traced) => boolean, keeps: () => boolean): Buffer {
  const content = Buffer.alloc(Math.max(0, ...changes.map(({ change }) => (change.kind === 'write' ? change.at + change.bytes.length : 0))))
  let size = 0
  for (const each of changes) {
    const { change } = each
    const safe = isSafe(each)
    if (change.kind === 'truncate' && (safe || keeps())) {
      content.fill(0, change.size)
      size = change.size
    } else if (change.kind === 'write') {
      for (let from = 0; from < change.bytes.length; from += sectorBytes) {
        if (!safe && !keeps()) continue
        const sector = change.bytes.subarray(from, from + sectorBytes)
        sector.copy(content, change.at + from)
        size = Math.max(size, change.at + from + sector.length)
      }
    }
  }
  return content.subarray(0, size)
}

/**
 * A sandbox in memory, for tests of what is above it: the same answers and errors as hands give, without processes. It has
 * no links, no binary files, and runs no commands of its own; a test says what a command answers.
 */
import { OxbowError } from '../types/index.ts'
import type { ErrorCode, Hands, HandsOp, HandsOps, Sandbox } from '../types/index.ts'

export interface FakeSandboxOptions {
  /** What a command answers. Absent: every command ends with exit code 127, like one that is not installed. */
  readonly run?: (input: HandsOps['exec']['input'], signal: AbortSignal) => Promise<Partial<HandsOps['exec']['output']>>
}

type Operations = {
  [Op in HandsOp]: (input: HandsOps[Op]['input'], signal: AbortSignal) => HandsOps[Op]['output'] | Promise<HandsOps[Op]['output']>
}

/** @param files texts by path; the map is the file system: it is read and changed in place */
export function createFakeSandbox(files: Map<string, string> = new Map(), options: FakeSandboxOptions = {}): Sandbox {
  const ops: Operations = { ...fileOperations(files), exec: (input, signal) => runFake(input, signal, options) }
  const hands: Hands = {
    async ask(op, input, { signal, timeoutMs }) {
      if (signal.aborted) throw fail('cancelled', 'Cancelled.')
      const ended = Promise.withResolvers<never>()
      const timer = setTimeout(() => ended.reject(fail('timeout', 'It took longer than its limit.')), timeoutMs)
      const cancel = (): void => ended.reject(fail('cancelled', 'Cancelled.'))
      signal.addEventListener('abort', cancel, { once: true })
      try {
        return await Promise.race([ops[op](input as never, signal), ended.promise])
      } finally {
        clearTimeout(timer)
        signal.removeEventListener('abort', cancel)
      }
    },
  }
  return {
    status: { tier: 'process', files: true, shell: true, problem: null, degraded: [] },
    hands: () => Promise.resolve(hands),
    close: () => Promise.resolve(),
  }
}

function fileOperations(files: Map<string, string>): Omit<Operations, 'exec'> {
  const textAt = (path: string): string => {
    const text = files.get(known(path))
    if (text === undefined && isFolder(files, path)) throw fail('path_refused', `${path} is a folder.`)
    if (text === undefined) throw fail('not_found', `${path} does not exist.`)
    return text
  }
  return {
    read({ path, fromLine, maxLines, maxBytes }) {
      const text = textAt(path)
      const all = linesOf(text)
      const range = all.slice(fromLine - 1, fromLine - 1 + maxLines)
      let bytes = 0
      const fits = range.filter((line) => (bytes += Buffer.byteLength(line) + 1) <= maxBytes).length
      const shown = range.slice(0, Math.max(1, fits))
      return {
        text: Buffer.from(shown.join('\n')).subarray(0, maxBytes).toString(),
        fromLine,
        lines: shown.length,
        totalLines: all.length,
        bytes: Buffer.byteLength(text),
        truncated: fromLine - 1 + shown.length < all.length,
      }
    },
    list({ path, depth, maxEntries }) {
      if (!isFolder(files, path)) throw fail('not_found', `${path} is no folder.`)
      const entries = entriesOf(files, known(path), depth)
      return { entries: entries.slice(0, maxEntries), truncated: entries.length > maxEntries }
    },
    search({ path, pattern, regex, ignoreCase, maxMatches }) {
      const wanted = new RegExp(regex ? pattern : pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), ignoreCase ? 'i' : '')
      const searched = [...files].filter(([file]) => file === path || file.startsWith(`${path}/`)).sort(([a], [b]) => (a < b ? -1 : 1))
      const matches = searched.flatMap(([file, text]) =>
        linesOf(text).flatMap((line, i) => (wanted.test(line) ? [{ path: file, line: i + 1, text: line }] : [])),
      )
      return { matches: matches.slice(0, maxMatches), filesSearched: searched.length, truncated: matches.length > maxMatches }
    },
    write({ path, text }) {
      if (isFolder(files, path)) throw fail('path_refused', `${path} is a folder.`)
      const created = !files.has(known(path))
      files.set(path, text)
      return { bytes: Buffer.byteLength(text), created }
    },
    edit({ path, find, replace, all }) {
      const text = textAt(path)
      const parts = text.split(find)
      if (parts.length === 1) throw fail('edit_mismatch', `The text to replace is not in ${path}.`)
      if (parts.length > 2 && !all) throw fail('edit_mismatch', `The text to replace stands ${parts.length - 1} times in ${path}.`)
      files.set(path, parts.join(replace))
      return { replaced: parts.length - 1, firstLine: parts[0]!.split('\n').length }
    },
    delete({ path, recursive }) {
      const inside = [...files.keys()].filter((file) => file.startsWith(`${known(path)}/`))
      if (roots.includes(path)) throw fail('path_refused', `${path} itself cannot be deleted.`)
      if (!files.has(path) && inside.length === 0) throw fail('not_found', `${path} does not exist.`)
      if (inside.length > 0 && !recursive) throw fail('tool_failed', `${path} is a folder that is not empty.`)
      for (const file of [path, ...inside]) files.delete(file)
      return { deleted: Math.max(1, inside.length) }
    },
  }
}

async function runFake(
  input: HandsOps['exec']['input'],
  signal: AbortSignal,
  options: FakeSandboxOptions,
): Promise<HandsOps['exec']['output']> {
  const base = { exitCode: 0, signal: null, timedOut: false, stdout: '', stderr: '', stdoutBytes: 0, stderrBytes: 0, durationMs: 1 }
  if (options.run === undefined) return { ...base, exitCode: 127, stderr: 'command not found' }
  return { ...base, ...(await options.run(input, signal)) }
}

const roots = ['/shared', '/tmp']

function known(path: string): string {
  if (roots.some((root) => path === root || path.startsWith(`${root}/`)) && !path.split('/').includes('..')) return path
  throw fail('path_refused', `${path} is outside the workspace.`)
}

function isFolder(files: ReadonlyMap<string, string>, path: string): boolean {
  return roots.includes(path) || [...files.keys()].some((file) => file.startsWith(`${path}/`))
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** Folders first, each right before what it holds, as hands list. */
function entriesOf(files: ReadonlyMap<string, string>, folder: string, depth: number): HandsOps['list']['output']['entries'] {
  const names = new Set(
    [...files.keys()].filter((file) => file.startsWith(`${folder}/`)).map((file) => file.slice(folder.length + 1).split('/')[0]!),
  )
  const paths = [...names].sort().map((name) => `${folder}/${name}`)
  const folders = paths.filter((path) => !files.has(path))
  const plain = paths.filter((path) => files.has(path))
  return [
    ...folders.flatMap((path) => [{ path, kind: 'folder' as const, bytes: 0 }, ...(depth > 1 ? entriesOf(files, path, depth - 1) : [])]),
    ...plain.map((path) => ({ path, kind: 'file' as const, bytes: Buffer.byteLength(files.get(path)!) })),
  ]
}

function fail(code: ErrorCode, message: string): OxbowError {
  return new OxbowError(code, message, { hint: 'Pass something else.' })
}

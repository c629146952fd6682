/** The files of the sandbox in memory: the same replies and errors as hands. */
import { hash } from 'node:crypto'
import { type ErrorCode, OxbowError } from '../../base/index.ts'
import { type FileOps, type HandsOp, hashDigits, type HandsOps, type PatchedFile } from '../../protocol/index.ts'

export type Operations = {
  [Op in HandsOp]: (input: HandsOps[Op]['input'], signal: AbortSignal) => HandsOps[Op]['output'] | Promise<HandsOps[Op]['output']>
}

/** The operations on files, on a map of texts by path. A folder exists while it is not empty. */
export function fileOperations(files: Map<string, string>): Pick<Operations, keyof FileOps> {
  return { ...readOperations(files), ...writeOperations(files) }
}

type ReadOperation = 'read' | 'bytes' | 'stat' | 'list' | 'search'

function readOperations(files: ReadonlyMap<string, string>): Pick<Operations, ReadOperation> {
  const textAt = (path: string): string => textOf(files, path)
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
        newline: shown.length > 0 && fits > 0 && (fromLine - 1 + shown.length < all.length || text.endsWith('\n')),
        fromLine,
        lines: shown.length,
        totalLines: all.length,
        bytes: Buffer.byteLength(text),
        truncated: fromLine - 1 + shown.length < all.length,
        hash: hashOf(text),
      }
    },
    bytes({ path, offset, maxBytes }) {
      const whole = Buffer.from(textAt(path))
      const range = whole.subarray(offset, offset + maxBytes)
      return { content: range, offset, totalBytes: whole.length, modifiedMs: 0 }
    },
    stat({ path }) {
      const text = files.get(checkedPath(path))
      const kind = text !== undefined ? 'file' : isFolder(files, path) ? 'folder' : 'missing'
      return {
        kind,
        bytes: Buffer.byteLength(text ?? ''),
        modifiedMs: 0,
        executable: false,
        linkTarget: '',
        names: kind === 'file' ? 1 : 0,
      }
    },
    list({ path, depth, glob, skip, maxEntries }) {
      if (!isFolder(files, path)) throw fail('not_found', `${path} is not a folder.`)
      const entries = entriesOf(files, checkedPath(path), depth).filter((entry) => fitsGlob(glob, entry.path))
      return { entries: entries.slice(skip, skip + maxEntries), truncated: entries.length > skip + maxEntries }
    },
    search({ path, pattern, regex, ignoreCase, glob, contextLines, skip, maxMatches }) {
      const wanted = new RegExp(regex ? pattern : pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), ignoreCase ? 'i' : '')
      const inside = ([file]: readonly [string, string]): boolean => file === path || (file.startsWith(`${path}/`) && fitsGlob(glob, file))
      const searched = [...files].filter(inside).sort(([a], [b]) => (a < b ? -1 : 1))
      const matches = searched.flatMap(([file, text]) => matchesIn(file, linesOf(text), wanted, contextLines))
      const page = matches.slice(skip, skip + maxMatches)
      return { matches: page, filesSearched: searched.length, truncated: matches.length > skip + maxMatches }
    },
  }
}

function writeOperations(files: Map<string, string>): Pick<Operations, Exclude<keyof FileOps, ReadOperation>> {
  const uploads = new Map<string, Uint8Array>()
  return {
    put({ path, upload, offset, content, last, overwrite, ifHash }) {
      if (isFolder(files, checkedPath(path))) throw fail('path_refused', `${path} is a folder.`)
      const created = !files.has(path)
      if (!created && !overwrite) throw fail('tool_failed', `${path} already exists.`)
      const before = uploads.get(upload) ?? Buffer.alloc(0)
      if (before.length !== offset)
        throw fail(before.length === 0 ? 'not_found' : 'bad_input', `The next chunk begins at ${before.length}.`)
      const now = Buffer.concat([before, content])
      const was = last ? hashOf(files.get(path)) : ''
      if (last && ifHash !== undefined) requireHash(files, path, ifHash)
      if (!last) uploads.set(upload, now)
      else if (files.set(path, now.toString())) uploads.delete(upload)
      return { bytes: now.length, created, hash: last ? hashOf(now.toString()) : '', was }
    },
    write({ path, text, ifHash = '' }) {
      if (isFolder(files, path)) throw fail('path_refused', `${path} is a folder.`)
      const created = !files.has(checkedPath(path))
      const was = requireHash(files, path, ifHash)
      files.set(path, text)
      return { bytes: Buffer.byteLength(text), created, hash: hashOf(text), was }
    },
    edit({ path, find, replace, all, ifHash = '' }) {
      const text = textOf(files, path)
      const was = requireHash(files, path, ifHash)
      const parts = text.split(find)
      if (parts.length === 1) throw fail('edit_mismatch', `The text to replace is not in ${path}.`)
      if (parts.length > 2 && !all) throw fail('edit_mismatch', `The text to replace occurs ${parts.length - 1} times in ${path}.`)
      const edited = parts.join(replace)
      files.set(path, edited)
      return { replaced: parts.length - 1, firstLine: parts[0]!.split('\n').length, hash: hashOf(edited), was }
    },
    patch({ path, diff }) {
      const patched = patchTexts(diff, checkedPath(path), (file) => files.get(checkedPath(file)), hashOf)
      if ('misfit' in patched) throw fail('edit_mismatch', `The diff does not match ${patched.misfit}.`)
      if (patched.length === 0) throw fail('bad_input', 'This is not a unified diff: it names no file.')
      for (const { facts, text } of patched) {
        if (text === null) files.delete(facts.path)
        else files.set(facts.path, text)
      }
      return { files: patched.map(({ facts }) => ({ ...facts, hash: hashOf(files.get(facts.path)) })) }
    },
    move({ from, to, overwrite }) {
      const inside = [...files.keys()].filter((file) => file === checkedPath(from) || file.startsWith(`${from}/`))
      if (roots.includes(from)) throw fail('path_refused', `${from} itself cannot be moved.`)
      if (inside.length === 0) throw fail('not_found', `${from} does not exist.`)
      if (isFolder(files, checkedPath(to))) throw fail(to.startsWith(`${from}/`) ? 'bad_input' : 'path_refused', `${to} is a folder.`)
      if (from === to || to.startsWith(`${from}/`)) throw fail('bad_input', `${from} cannot be moved there.`)
      const replaced = files.has(to)
      const kind = files.has(from) ? 'file' : 'folder'
      if (replaced && (!overwrite || kind === 'folder')) throw fail(overwrite ? 'path_refused' : 'tool_failed', `${to} already exists.`)
      for (const file of inside) {
        files.set(to + file.slice(from.length), files.get(file)!)
        files.delete(file)
      }
      return { kind, replaced }
    },
    delete({ path, recursive, ifHash = '' }) {
      const inside = [...files.keys()].filter((file) => file.startsWith(`${checkedPath(path)}/`))
      if (roots.includes(path)) throw fail('path_refused', `${path} itself cannot be deleted.`)
      if (!files.has(path) && inside.length === 0) throw fail('not_found', `${path} does not exist.`)
      if (inside.length > 0 && !recursive) throw fail('tool_failed', `${path} is a folder that is not empty.`)
      requireHash(files, path, ifHash)
      for (const file of [path, ...inside]) files.delete(file)
      return { deleted: Math.max(1, inside.length) }
    },
  }
}

/** @returns the hash of the current file, '' if the file is missing */
function requireHash(files: ReadonlyMap<string, string>, path: string, wanted: string): string {
  const now = hashOf(files.get(path))
  if (wanted === '' || now === wanted) return now
  throw fail('edit_mismatch', `${path} does not hold the content with hash ${wanted}: its hash is ${now} now.`)
}

/** Truncated as in hands. @returns '' for no file */
function hashOf(text: string | undefined): string {
  return text === undefined ? '' : hash('sha256', text).slice(0, hashDigits)
}

const roots = ['/shared', '/tmp']

function checkedPath(path: string): string {
  if (roots.some((root) => path === root || path.startsWith(`${root}/`)) && !path.split('/').includes('..')) return path
  throw fail('path_refused', `${path} is outside the workspace.`)
}

function textOf(files: ReadonlyMap<string, string>, path: string): string {
  const text = files.get(checkedPath(path))
  if (text === undefined && isFolder(files, path)) throw fail('path_refused', `${path} is a folder.`)
  if (text === undefined) throw fail('not_found', `${path} does not exist.`)
  return text
}

function isFolder(files: ReadonlyMap<string, string>, path: string): boolean {
  return roots.includes(path) || [...files.keys()].some((file) => file.startsWith(`${path}/`))
}

/** Names alone, with `*`: what tests need. */
function fitsGlob(glob: string, path: string): boolean {
  const name = glob.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '[^/]*')
  return glob === '' || new RegExp(`(^|/)${name}$`).test(path)
}

function matchesIn(path: string, lines: readonly string[], wanted: RegExp, around: number): HandsOps['search']['output']['matches'] {
  const at = lines.flatMap((line, i) => (wanted.test(line) ? [i] : []))
  // No line is repeated: those between two matches belong to the first as far as its context reaches.
  return at.map((i, nth) => {
    const from = nth === 0 ? 0 : Math.min(i, at[nth - 1]! + 1 + around)
    const after = lines.slice(i + 1, Math.min(i + 1 + around, at[nth + 1] ?? lines.length))
    return { path, line: i + 1, text: lines[i]!, before: lines.slice(Math.max(from, i - around), i), after }
  })
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** Folders first, each right before its contents, as in hands. */
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

/** An error as hands report it. */
export function fail(code: ErrorCode, message: string): OxbowError {
  return new OxbowError(code, message, { hint: 'Pass something else.' })
}

/** The part of unified diffs that tests of the kernel and the calls need: files created, changed and deleted, by name and hunk. */

/** A change of the diff; `text` null: the file is deleted. */
interface FakePatch {
  readonly facts: Omit<PatchedFile, 'hash'>
  readonly text: string | null
}

/** @returns the change of each file, or the file that does not match. */
function patchTexts(
  diff: string,
  base: string,
  currentText: (path: string) => string | undefined,
  was: (text: string | undefined) => string,
): FakePatch[] | { readonly misfit: string } {
  const done: FakePatch[] = []
  const at = (name: string): string => `${base}/${name.replace(/^[ab]\//, '')}`
  for (const [, old, now, body] of diff.matchAll(/^--- (\S+).*\n\+\+\+ (\S+).*\n((?:(?!--- ).*(?:\n|$))*)/gm)) {
    const path = at(now === '/dev/null' ? old! : now!)
    const before = done.find((each) => each.facts.path === path)?.text ?? currentText(path)
    if ((before === undefined) !== (old === '/dev/null')) return { misfit: path }
    const hunks = body!.split(/^@@.*@@.*\n/m).slice(1)
    let text = before ?? ''
    for (const hunk of hunks) {
      const side = (mark: string): string =>
        (hunk.match(/^[-+ ].*\n?/gm) ?? []).flatMap((line) => (' '.concat(mark).includes(line[0]!) ? [line.slice(1)] : [])).join('')
      const parts = side('-') === '' ? [text, ''] : text.split(side('-'))
      if (parts.length !== 2) return { misfit: path }
      text = parts.join(side('+'))
    }
    const count = (mark: RegExp): number => hunks.join('\n').match(mark)?.length ?? 0
    const change = old === '/dev/null' ? 'created' : now === '/dev/null' ? 'deleted' : 'changed'
    const facts = {
      path,
      from: '',
      change,
      added: count(/^\+/gm),
      removed: count(/^-/gm),
      hunks: hunks.length,
      shifted: 0,
      was: was(currentText(path)),
    } as const
    done.push({ facts, text: change === 'deleted' ? null : text })
  }
  return done
}

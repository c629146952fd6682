/**
 * Commands that take more than one tool call: append, lists of things to do, restore, summarise. The texts of tools are read back into facts;
 * they are written for a model, so they are read loosely: a text that is not understood gives no facts, never wrong ones.
 */
import { truncate, plural } from '../../base/index.ts'
import { summaryDepth, summaryFiles, summaryLines } from '../limits.ts'
import type { Command, Step } from './command.ts'
import type { Exchange } from './conversation.ts'
import { phrase, sayFailed } from './reply-phrasing.ts'

/** Lines taken as the end of the file: enough to be unlike the rest of it. */
const tailLines = 5

/**
 * Reads the file, then replaces its last lines by themselves and the new text. The edit fails, and changes nothing, when those lines
 * are not exactly what the file ends with or stand in it twice. A file that is not there is written.
 */
export function appendPlan(command: Extract<Command, { kind: 'append' }>, done: readonly Exchange[]): Step {
  const { path, text } = command
  const change = done.find((each) => each.call.name !== 'file_read')
  if (change !== undefined) return { say: phrase(command, change) }
  const read = done.at(-1)
  if (read === undefined) return { calls: [{ name: 'file_read', arguments: { path } }] }
  if (read.result?.ok !== true) {
    if (!isAbsent(read)) return { say: sayFailed(`append to ${path}`, read) }
    return { calls: [{ name: 'file_write', arguments: { path, text: endLine(text) } }] }
  }
  const shown = read.result.text
  const total = readTotalLines(shown)
  if (total !== null && done.length === 1) {
    return { calls: [{ name: 'file_read', arguments: { path, from_line: Math.max(1, total - tailLines + 1), max_lines: tailLines } }] }
  }
  const lines = readNumbered(shown)
  if (lines.length === 0 && shown.includes('is empty')) return { calls: [{ name: 'file_write', arguments: { path, text: endLine(text) } }] }
  const tail = lines.slice(-tailLines).map((line) => line.text)
  if (total !== null || tail.join('').trim() === '' || shown.includes('was cut')) {
    return { say: `I did not append to ${path}: I cannot tell its last lines apart from the rest.` }
  }
  const find = tail.join('\n')
  return { calls: [{ name: 'file_edit', arguments: { path, find, replace: `${find}\n${text.replace(/\n$/, '')}`, all: false } }] }
}

function isAbsent({ result }: Exchange): boolean {
  return result?.ok === false && /not.?found|no such|does not exist|not there|no file/i.test(result.text)
}

/** A list that is not there yet is begun with its title; items go to the end of one that is. */
export function todoPlan({ path, title, items }: Extract<Command, { kind: 'todo' }>, done: readonly Exchange[]): Step {
  const lines = items.map((item) => `- [ ] ${item}`)
  const read = done[0]
  if (read !== undefined && done.length === 1) {
    if (isAbsent(read))
      return { calls: [{ name: 'file_write', arguments: { path, text: endLine([`# ${title}`, '', ...lines].join('\n')) } }] }
    if (items.length === 0 && read.result?.ok === true) {
      return {
        say: `There is a list already, ${path}:\n\n${readNumbered(read.result.text)
          .map(({ text }) => text)
          .join('\n')}`,
      }
    }
  }
  return appendPlan({ kind: 'append', path, text: lines.join('\n') }, done)
}

function endLine(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

/**
 * Restores what a path was before the newest version that changed it, or everything before the newest version. What is replaced becomes a
 * version too, so that a second `undo` takes back the first.
 */
export function restorePlan({ path }: Extract<Command, { kind: 'restore' }>, done: readonly Exchange[]): Step {
  const restored = done.find((each) => each.call.name === 'version_restore')
  if (restored !== undefined) return { say: restored.result?.ok === true ? restored.result.text : sayFailed('restore it', restored) }
  if (path === null) return { calls: [{ name: 'version_restore', arguments: { path: '/', at: 'HEAD~1', apply: true } }] }
  const log = done.find((each) => each.call.name === 'version_log')
  if (log === undefined) return { calls: [{ name: 'version_log', arguments: { path, limit: 1 } }] }
  const newest = /^[0-9a-f]{8,40}(?= )/.exec(log.result?.text ?? '')?.[0]
  if (log.result?.ok !== true) return { say: sayFailed(`find versions of ${path}`, log) }
  if (newest === undefined) return { say: `There is no earlier version of ${path}.` }
  return { calls: [{ name: 'version_restore', arguments: { path, at: `${newest}~1`, apply: true } }] }
}

/** Lists the folder, reads the beginning of each file, then gives facts: names, sizes, first heading or line. */
export function summaryPlan(command: Extract<Command, { kind: 'summarise' }>, done: readonly Exchange[]): Step {
  const { path } = command
  const single = /\/[^/]+\.\w{1,10}$/.test(path)
  const first = done[0]
  if (first === undefined) return { calls: [single ? readCall(path) : { name: 'file_list', arguments: { path, depth: summaryDepth } }] }
  if (first.result?.ok !== true) return { say: sayFailed(`summarise ${path}`, first) }
  if (single) return { say: digest(path, [{ path, folder: false, bytes: null }], done) }
  const entries = readListing(first.result.text, path)
  const files = entries.filter((entry) => !entry.folder)
  if (files.length === 0) return { say: entries.length === 0 ? `There are no files in ${path}.` : digest(path, entries, []) }
  if (done.length === 1) return { calls: files.slice(0, summaryFiles).map((file) => readCall(file.path)) }
  return { say: digest(path, entries, done.slice(1)) }
}

function readCall(path: string): { name: string; arguments: { path: string; max_lines: number } } {
  return { name: 'file_read', arguments: { path, max_lines: summaryLines } }
}

function digest(path: string, entries: readonly ListedEntry[], reads: readonly Exchange[]): string {
  const files = entries.filter((entry) => !entry.folder)
  const folders = entries.length - files.length
  const sizes = files.map((file) => file.bytes).filter((bytes) => bytes !== null)
  const total = sizes.length === 0 ? '' : `, ${sizes.reduce((sum, bytes) => sum + bytes, 0)} bytes`
  const lines = files.slice(0, summaryFiles).map((file) => {
    const read = reads.find((each) => pathOf(each) === file.path)
    return `- ${file.path}${file.bytes === null ? '' : ` (${file.bytes} bytes)`}: ${gist(read)}`
  })
  const more = files.length - lines.length
  if (more > 0) lines.push(`- and ${more} more that I did not open`)
  const head = `${path}: ${plural(files.length, 'file')}, ${plural(folders, 'folder')}${total}. What each begins with:`
  return [head, ...lines].join('\n')
}

function pathOf(read: Exchange): string {
  try {
    return String((JSON.parse(read.call.arguments) as { path?: unknown }).path)
  } catch {
    return ''
  }
}

/** The first heading, else the first line with words. */
function gist(read: Exchange | undefined): string {
  const result = read?.result ?? null
  if (result === null) return 'not read'
  if (!result.ok) return /binary|not.?text|utf-8/i.test(result.text) ? 'not a text file' : 'could not be read'
  const numbered = readNumbered(result.text).map((line) => line.text)
  const lines = (numbered.length > 0 ? numbered : result.text.split('\n')).map((line) => line.trim()).filter((line) => line !== '')
  const heading = lines.find((line) => /^#{1,6}\s+\S/.test(line)) ?? lines.find((line) => /[\p{L}\p{N}]/u.test(line))
  return heading === undefined ? 'empty' : truncate(heading.replace(/^#{1,6}\s+/, ''), 120)
}

interface ListedEntry {
  readonly path: string
  readonly folder: boolean
  /** Null when the listing does not say. */
  readonly bytes: number | null
}

/** Lines of `file_list`: `folder/`, `name  12 bytes`, `name  (link)`, below a line that names the folder. */
function readListing(text: string, base: string): readonly ListedEntry[] {
  return text.split('\n').flatMap((line): readonly ListedEntry[] => {
    const folder = /^(?!\[)(.+)\/$/.exec(line)
    if (folder !== null) return [{ path: under(base, folder[1] ?? ''), folder: true, bytes: null }]
    const file = /^(.+) {2}(\d+) bytes?$/.exec(line)
    return file === null ? [] : [{ path: under(base, file[1] ?? ''), folder: false, bytes: Number(file[2]) }]
  })
}

function under(base: string, name: string): string {
  return name.startsWith('/') ? name : `${base.replace(/\/$/, '')}/${name}`
}

/** How many lines the file has, when the text says that it is a part; null when it is the whole. */
function readTotalLines(text: string): number | null {
  const found = /\[Lines \d+ to \d+ of (\d+)\. Continue/.exec(text)
  return found === null ? null : Number(found[1])
}

interface NumberedLine {
  readonly number: number
  readonly text: string
}

/** Lines of `file_read`: `   12<tab>content`; all other lines are notes of the tool. */
function readNumbered(text: string): readonly NumberedLine[] {
  return text.split('\n').flatMap((line) => {
    const found = /^ *(\d+)\t(.*)$/s.exec(line)
    return found === null ? [] : [{ number: Number(found[1]), text: found[2] ?? '' }]
  })
}

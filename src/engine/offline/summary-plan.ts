/** Summarise: list, read the beginning of each file, then a digest of facts: names, sizes, first heading or line. */
import { summaryDepth, summaryFiles, summaryLines } from '../limits.ts'
import type { Command, Step } from './command.ts'
import type { Exchange } from './conversation.ts'
import { sayFailed } from './reply-phrasing.ts'
import type { ListedEntry } from './tool-text.ts'
import { readListing, readNumbered } from './tool-text.ts'

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

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
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
  return heading === undefined ? 'empty' : shorten(heading.replace(/^#{1,6}\s+/, ''))
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}

/** Calls that look at files and change nothing. What they bring in was written by anybody: untrusted. */
import { z } from 'zod'
import type { Call, CallContext, Done } from '../types/index.ts'
import {
  defaultPageLines,
  listTimeoutMs,
  maxListDepth,
  maxListEntries,
  maxMatches,
  maxPageLines,
  pageBytes,
  readTimeoutMs,
  searchTimeoutMs,
} from './limits.ts'
import { askHands, pathArgument, plural, toWorkspacePath } from './workspace-arguments.ts'

const looking = {
  tier: 'read_only',
  right: 'file.read',
  effect: 'none',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
} as const

interface ReadInput {
  path: string
  from_line: number
  max_lines: number
}
interface ReadOutput {
  path: string
  text: string
  from_line: number
  lines: number
  total_lines: number
  bytes: number
}

export const fileRead: Call<ReadInput, ReadOutput> = {
  ...looking,
  name: 'file.read',
  summary: 'Reads a text file, or a range of its lines, with line numbers.',
  input: z.strictObject({
    path: pathArgument.describe('File to read. Relative paths start at /shared.'),
    from_line: z.int().min(1).default(1).describe('First line to read, counted from 1.'),
    max_lines: z
      .int()
      .min(1)
      .max(maxPageLines)
      .default(defaultPageLines)
      .describe('Most lines to read. A page ends earlier when it is full.'),
  }),
  output: z.strictObject({
    path: z.string(),
    text: z.string(),
    from_line: z.int(),
    lines: z.int(),
    total_lines: z.int(),
    bytes: z.int(),
  }),
  example: { path: 'notes/todo.md', from_line: 1, max_lines: 200 },
  timeoutMs: readTimeoutMs,
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const request = { path, fromLine: input.from_line, maxLines: input.max_lines, maxBytes: pageBytes }
    const page = await askHands(context, 'read', request, readTimeoutMs)
    const { shown, numbered } = numberLines(page.text, page.lines, page.fromLine)
    const output = {
      path,
      text: page.text.split('\n').slice(0, shown).join('\n'),
      from_line: page.fromLine,
      lines: shown,
      total_lines: page.totalLines,
      bytes: page.bytes,
    }
    // Hands cut only a line that alone fills the page, and lose less than one character (4 bytes) of the room.
    const cutLine = page.truncated && page.lines === 1 && Buffer.byteLength(page.text) > pageBytes - 4
    return { output, text: `${numbered}${readNote(output, cutLine)}` }
  },
}

/** Numbers as many lines as fit on a page; the first always does. */
function numberLines(text: string, count: number, from: number): { shown: number; numbered: string } {
  let numbered = ''
  let shown = 0
  for (const line of count === 0 ? [] : text.split('\n')) {
    const next = `${String(from + shown).padStart(5)}\t${line}\n`
    if (shown > 0 && Buffer.byteLength(numbered) + Buffer.byteLength(next) > pageBytes) break
    numbered += next
    shown += 1
  }
  return { shown, numbered }
}

function readNote(page: ReadOutput, cutLine: boolean): string {
  if (page.total_lines === 0) return `${page.path} is empty.`
  if (page.lines === 0) return `${page.path} has only ${plural(page.total_lines, 'line')}.`
  const next = page.from_line + page.lines
  const cut = cutLine ? `\n[Line ${page.from_line} is too long and was cut. Use a command such as cut -c or jq for the rest of it.]` : ''
  return next > page.total_lines
    ? cut
    : `${cut}\n[Lines ${page.from_line} to ${next - 1} of ${page.total_lines}. Continue with from_line ${next}.]`
}

interface ListInput {
  path: string
  depth: number
}
interface ListOutput {
  path: string
  entries: { path: string; kind: 'file' | 'folder' | 'link' | 'other'; bytes: number }[]
  truncated: boolean
}

export const fileList: Call<ListInput, ListOutput> = {
  ...looking,
  name: 'file.list',
  summary: 'Lists a folder: folders first and with a slash, files with their size.',
  input: z.strictObject({
    path: pathArgument.default('/shared').describe('Folder to list. Relative paths start at /shared.'),
    depth: z.int().min(1).max(maxListDepth).default(1).describe('How many levels to go down. 1: only the folder itself.'),
  }),
  output: z.strictObject({
    path: z.string(),
    entries: z.array(z.strictObject({ path: z.string(), kind: z.enum(['file', 'folder', 'link', 'other']), bytes: z.int() })),
    truncated: z.boolean(),
  }),
  example: { path: '/shared', depth: 2 },
  timeoutMs: listTimeoutMs,
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const listed = await askHands(context, 'list', { path, depth: input.depth, maxEntries: maxListEntries }, listTimeoutMs)
    return { output: { path, ...listed }, text: listText(path, listed) }
  },
}

function listText(path: string, { entries, truncated }: Omit<ListOutput, 'path'>): string {
  if (entries.length === 0) return `${path} is empty.`
  const base = path.endsWith('/') ? path : `${path}/`
  const lines = entries.map((entry) => {
    const name = entry.path.startsWith(base) ? entry.path.slice(base.length) : entry.path
    if (entry.kind === 'folder') return `${name}/`
    return entry.kind === 'file'
      ? `${name}  ${plural(entry.bytes, 'byte')}`
      : `${name}  (${entry.kind === 'link' ? 'link' : 'special file'})`
  })
  if (truncated) lines.push(`[Only the first ${entries.length} entries. List a folder below, or with less depth.]`)
  return [`${path}:`, ...lines].join('\n')
}

interface SearchInput {
  pattern: string
  path: string
  regex: boolean
  ignore_case: boolean
  glob: string
}
interface SearchOutput {
  matches: { path: string; line: number; text: string }[]
  files_searched: number
  truncated: boolean
}

export const fileSearch: Call<SearchInput, SearchOutput> = {
  ...looking,
  name: 'file.search',
  summary: 'Searches text files line by line, by regular expression or plain text.',
  input: z.strictObject({
    pattern: z.string().min(1).max(1_000).describe('What to look for in each line.'),
    path: pathArgument.default('/shared').describe('Folder or file to search. Relative paths start at /shared.'),
    regex: z.boolean().default(true).describe('true: the pattern is a regular expression (JavaScript syntax). false: plain text.'),
    ignore_case: z.boolean().default(false).describe('Makes no difference between capital and small letters.'),
    glob: z.string().max(1_000).default('').describe('Only files that fit, e.g. "*.ts" or "src/**/*.{js,ts}". Empty: all files.'),
  }),
  output: z.strictObject({
    matches: z.array(z.strictObject({ path: z.string(), line: z.int(), text: z.string() })),
    files_searched: z.int(),
    truncated: z.boolean(),
  }),
  example: { pattern: 'TODO|FIXME', path: '/shared', regex: true, ignore_case: false, glob: '*.ts' },
  timeoutMs: searchTimeoutMs,
  run: runSearch,
}

async function runSearch(input: SearchInput, context: CallContext): Promise<Done<SearchOutput>> {
  const { pattern, regex, glob, ignore_case: ignoreCase } = input
  const path = toWorkspacePath(input.path)
  const found = await askHands(context, 'search', { path, pattern, regex, ignoreCase, glob, maxMatches }, searchTimeoutMs)
  const output = { matches: found.matches, files_searched: found.filesSearched, truncated: found.truncated }
  const files = plural(found.filesSearched, 'file')
  if (found.matches.length === 0)
    return { output, text: `No match in ${files} under ${path}. Binary files, .git and node_modules are not searched.` }
  const lines = found.matches.map((match) => `${match.path}:${match.line}: ${match.text}`)
  if (found.truncated) lines.push(`[Only the first ${maxMatches} matches. Search a folder below, or with a narrower pattern or glob.]`)
  return { output, text: lines.join('\n') }
}

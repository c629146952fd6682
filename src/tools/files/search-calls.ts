/** Calls that find files and lines in them. */
import { z } from 'zod'
import { plural } from '../../base/index.ts'
import { defineCall, evident, type HandsOps } from '../../protocol/index.ts'
import { listTimeoutMs, maxContextLines, maxListEntries, maxMatches, pageBytes, searchTimeoutMs } from '../limits.ts'
import { askHands, depthField, listedPath, looking, pathArgument, skipField, toWorkspacePath } from '../workspace-arguments.ts'

const globField = z.string().max(1_000).default('').describe('Only matching names, e.g. "*.ts" or "src/**/*.{js,ts}".')

/** A search leaves out more than a list. */
const allField = z
  .boolean()
  .default(false)
  .describe('Include .git, node_modules and what .gitignore excludes; in a search also hidden files.')

type ListOutput = z.infer<typeof listOutput>

const listOutput = z.strictObject({
  path: z.string(),
  entries: z.array(z.strictObject({ path: z.string(), kind: z.enum(['file', 'folder', 'link', 'other']), bytes: z.int() })),
  truncated: z.boolean(),
})

export const fileList = defineCall({
  ...looking,
  name: 'file.list',
  routes: [{ method: 'GET', path: '/files' }],
  reaches: { kind: 'paths', fields: ['path'] },
  summary: 'Lists a folder, or finds files by name.',
  input: z.strictObject({
    path: pathArgument.default('/shared').meta(evident('Folder to list. Relative paths start at /shared.')),
    depth: depthField(1),
    glob: globField,
    all: allField,
    skip: skipField,
  }),
  output: listOutput,
  example: { path: '/shared', depth: 5, glob: '*.md', all: false, skip: 0 },
  timeoutMs: listTimeoutMs,
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const { depth, glob, all, skip } = input
    const listed = await askHands(context, 'list', { path, depth, glob, all, skip, maxEntries: maxListEntries }, listTimeoutMs)
    const base = path.endsWith('/') ? path : `${path}/`
    const page = fitPage(listed.entries, (entry) => entryLine(entry, base))
    const output = { path, entries: listed.entries.slice(0, page.shown), truncated: listed.truncated || page.cut }
    if (page.shown > 0) {
      const more = output.truncated ? `\n[Entries ${skip + 1} to ${skip + page.shown}. Continue with skip ${skip + page.shown}.]` : ''
      return { output, text: `${path}:\n${page.text}${more}` }
    }
    if (skip > 0) return { output, text: `${path} has no more entries.` }
    return { output, text: glob === '' ? `${path} is empty.` : `Nothing in ${path} matches ${glob}, down to depth ${depth}.` }
  },
})

function entryLine(entry: ListOutput['entries'][number], base: string): string {
  const name = listedPath(entry.path.startsWith(base) ? entry.path.slice(base.length) : entry.path)
  if (entry.kind === 'folder') return `${name}/`
  if (entry.kind === 'file') return `${name}  ${plural(entry.bytes, 'byte')}`
  return `${name}  (${entry.kind === 'link' ? 'link' : 'special file'})`
}

type SearchInput = z.infer<typeof searchInput>
type Match = HandsOps['search']['output']['matches'][number]

const searchInput = z.strictObject({
  pattern: z.string().min(1).max(1_000).meta(evident('Pattern to search for in each line.')),
  path: pathArgument.default('/shared').meta(evident('Folder or file to search. Relative paths start at /shared.')),
  regex: z.boolean().default(true).meta(evident('true: the pattern is a regular expression (JavaScript syntax). false: plain text.')),
  ignore_case: z.boolean().default(false).meta(evident('Ignore the difference between upper and lower case.')),
  glob: globField,
  all: allField,
  context_lines: z.int().min(0).max(maxContextLines).default(0).meta(evident('Lines of context before and after each match.')),
  skip: skipField,
  max_matches: z
    .int()
    .min(1)
    .max(maxMatches)
    .default(maxMatches)
    .meta(evident('Maximum number of matches. A page ends earlier when it is full.')),
})

export const fileSearch = defineCall({
  ...looking,
  name: 'file.search',
  routes: [{ method: 'GET', path: '/search' }],
  reaches: { kind: 'paths', fields: ['path'] },
  summary: 'Searches the lines of text files, like ripgrep.',
  input: searchInput,
  output: z.strictObject({
    matches: z.array(
      z.strictObject({ path: z.string(), line: z.int(), text: z.string(), before: z.array(z.string()), after: z.array(z.string()) }),
    ),
    files_searched: z.int(),
    truncated: z.boolean(),
  }),
  example: {
    pattern: 'TODO|FIXME',
    path: '/shared',
    regex: true,
    ignore_case: false,
    glob: '*.ts',
    all: false,
    context_lines: 2,
    skip: 0,
    max_matches: 50,
  },
  timeoutMs: searchTimeoutMs,
  async run(input, context) {
    const { pattern, regex, glob, all, skip, ignore_case: ignoreCase, context_lines: contextLines, max_matches: limit } = input
    const path = toWorkspacePath(input.path)
    const request = { path, pattern, regex, ignoreCase, glob, all, contextLines, skip, maxMatches: limit }
    const found = await askHands(context, 'search', request, searchTimeoutMs)
    const page = fitPage(found.matches, contextLines === 0 ? matchLine : (match, i) => matchLines(match, found.matches[i - 1]))
    const truncated = found.truncated || page.cut
    const output = { matches: found.matches.slice(0, page.shown), files_searched: found.filesSearched, truncated }
    if (page.shown === 0) return { output, text: noMatch(path, found.filesSearched, input) }
    const last = skip + page.shown
    const more = truncated ? `\n[Matches ${skip + 1} to ${last}. Continue with skip ${last}, or narrow the pattern, path or glob.]` : ''
    return { output, text: `${page.text}${more}` }
  },
})

function noMatch(path: string, files: number, { skip, all }: SearchInput): string {
  if (skip > 0) return `No more matches under ${path}.`
  const leftOut = all ? 'Binary files are not searched.' : 'Binary, hidden and ignored files and node_modules are not searched; set all to search the hidden and ignored ones.' // prettier-ignore
  return `No match in ${plural(files, 'file')} under ${path}. ${leftOut}`
}

function matchLine(match: Match): string {
  return `${listedPath(match.path)}:${match.line}: ${match.text}`
}

/** Context lines as ripgrep shows them: `-` instead of `:`, and `--` between separate groups. */
function matchLines(match: Match, previous: Match | undefined): string {
  const first = match.line - match.before.length
  const joins = previous === undefined || (previous.path === match.path && previous.line + previous.after.length + 1 === first)
  const around = (text: string, i: number, from: number): string => `${listedPath(match.path)}-${from + i}- ${text}`
  return [
    ...(joins ? [] : ['--']),
    ...match.before.map((text, i) => around(text, i, first)),
    matchLine(match),
    ...match.after.map((text, i) => around(text, i, match.line + 1)),
  ].join('\n')
}

/** As many items as fit on a page, always at least one, so that paging makes progress. */
function fitPage<Item>(items: readonly Item[], show: (item: Item, index: number) => string): { text: string; shown: number; cut: boolean } {
  let text = ''
  let bytes = 0
  for (const [i, item] of items.entries()) {
    const next = `${i === 0 ? '' : '\n'}${show(item, i)}`
    bytes += Buffer.byteLength(next)
    if (i > 0 && bytes > pageBytes) return { text, shown: i, cut: true }
    text += next
  }
  return { text, shown: items.length, cut: false }
}

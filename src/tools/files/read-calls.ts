/** Calls that read files. Anybody may have written the content: it is untrusted. */
import { z } from 'zod'
import { isOxbowError, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, type Done, evident, type HandsOps } from '../../protocol/index.ts'
import { defaultPageBytes, defaultPageLines, maxPageLines, maxRangeBytes, pageBytes, readTimeoutMs } from '../limits.ts'
import { askHands, looking, pathField, type SeenFiles, toWorkspacePath } from '../workspace-arguments.ts'

type ReadOutput = z.infer<typeof readOutput>

/** Enough bytes to detect the type of a file. */
const headBytes = 4_096

const readOutput = z.strictObject({
  path: z.string(),
  text: z.string().describe('The lines as they are, without the newline that ends the last one.'),
  newline: z.boolean().describe('The file has a newline behind this text: pages with their newlines, joined, are the file.'),
  cut: z.boolean().describe('The only line of this page is too long, and was truncated.'),
  from_line: z.int(),
  lines: z.int(),
  total_lines: z.int(),
  bytes: z.int(),
  hash: z.string(),
})

/** @param seen records what each session has read */
export const fileRead = (seen: SeenFiles): Call =>
  defineCall({
    ...looking,
    name: 'file.read',
    reaches: { kind: 'paths', fields: ['path'] },
    summary: 'Reads lines of a text file, numbered, or shows a picture.',
    input: z.strictObject({
      path: pathField,
      from_line: z.int().min(1).default(1).meta(evident('First line to read, counted from 1.')),
      max_lines: z
        .int()
        .min(1)
        .max(maxPageLines)
        .default(defaultPageLines)
        .meta(evident('Maximum number of lines. A page ends earlier when it is full.')),
    }),
    output: readOutput,
    example: { path: 'notes/todo.md', from_line: 1, max_lines: 200 },
    timeoutMs: readTimeoutMs,
    async run(input, context) {
      const path = toWorkspacePath(input.path)
      const request = { path, fromLine: input.from_line, maxLines: input.max_lines, maxBytes: pageBytes }
      let page: HandsOps['read']['output']
      try {
        page = await askHands(context, 'read', request, readTimeoutMs)
      } catch (error) {
        const picture = isOxbowError(error, 'not_text') ? await showPicture(path, context) : null
        if (picture === null) throw error
        return picture
      }
      const { shown, numbered } = numberLines(page.text, page.lines, page.fromLine)
      // Hands truncate only a line that alone fills the page, and lose less than one character (4 bytes) of the page.
      const cut = page.truncated && page.lines === 1 && Buffer.byteLength(page.text) > pageBytes - 4
      const output = {
        path,
        text: page.text.split('\n').slice(0, shown).join('\n'),
        newline: page.newline || shown < page.lines,
        cut,
        from_line: page.fromLine,
        lines: shown,
        total_lines: page.totalLines,
        bytes: page.bytes,
        hash: page.hash,
      }
      seen.note(context.caller, path, page.hash)
      return { output, text: `${numbered}${readNote(output)}` }
    },
  })

/** @returns null when the file is not a picture */
async function showPicture(path: string, context: CallContext): Promise<Done<ReadOutput> | null> {
  const head = await askHands(context, 'bytes', { path, offset: 0, maxBytes: headBytes }, readTimeoutMs)
  const { isPicture, pictureLine, readPicture } = await import('../media/picture.ts')
  if (!isPicture(head.content)) return null
  const picture = await readPicture(path, 'work', context)
  const output = { path, text: '', newline: false, cut: false, from_line: 1, lines: 0, total_lines: 0, bytes: head.totalBytes, hash: '' }
  if (typeof picture !== 'string') return { output, text: pictureLine(path, picture), files: [picture.file] }
  return {
    output,
    text: `${path} is a picture that cannot be shown. ${picture} A command may convert or shrink it, e.g. with Python.`,
    ok: false,
  }
}

/** Numbers as many lines as fit on a page; always at least one. */
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

function readNote(page: ReadOutput): string {
  if (page.total_lines === 0) return `${page.path} is empty (hash ${page.hash}).`
  if (page.lines === 0) return `${page.path} has only ${plural(page.total_lines, 'line')}.`
  const next = page.from_line + page.lines
  const cut = page.cut ? `\n[Line ${page.from_line} is too long and was truncated. Read the rest with a command such as cut -c or jq.]` : ''
  return next > page.total_lines
    ? `${cut}\n[Hash ${page.hash}.]`
    : `${cut}\n[Lines ${page.from_line} to ${next - 1} of ${page.total_lines}. Continue with from_line ${next}. Hash ${page.hash}.]`
}

type BytesOutput = z.infer<typeof bytesOutput>

const bytesOutput = z.strictObject({ path: z.string(), base64: z.string(), offset: z.int(), bytes: z.int(), total_bytes: z.int() })

export const fileBytes = defineCall({
  ...looking,
  name: 'file.bytes',
  routes: [{ method: 'GET', path: '/files/{path+}' }],
  reaches: { kind: 'paths', fields: ['path'] },
  rare: true,
  encoded: true,
  summary: 'Reads bytes of any file as base64.',
  input: z.strictObject({
    path: pathField,
    offset: z.int().min(0).default(0).meta(evident('First byte to read, counted from 0.')),
    max_bytes: z.int().min(1).max(maxRangeBytes).default(defaultPageBytes).meta(evident('Maximum number of bytes.')),
  }),
  output: bytesOutput,
  example: { path: 'logo.png', offset: 0, max_bytes: 64 },
  timeoutMs: readTimeoutMs,
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const range = await askHands(context, 'bytes', { path, offset: input.offset, maxBytes: input.max_bytes }, readTimeoutMs)
    const { content, offset, totalBytes } = range
    const base64 = Buffer.from(content).toString('base64')
    const output = { path, base64, offset, bytes: content.length, total_bytes: totalBytes }
    return { output, text: bytesText(output) }
  },
})

function bytesText({ path, base64, offset, bytes, total_bytes: total }: BytesOutput): string {
  if (total === 0) return `${path} is empty.`
  if (bytes === 0) return `${path} has only ${plural(total, 'byte')}.`
  const next = offset + bytes
  const more = next < total ? `\n[Continue with offset ${next}.]` : ''
  return `Bytes ${offset} to ${next - 1} of ${total} in ${path}, as base64:\n${base64}${more}`
}

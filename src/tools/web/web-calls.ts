/**
 * `web.fetch`: reads a web page through the egress policy. A URL may carry data out, so the call is a sink, and its intent with the
 * URL is recorded before any request; anybody may have written what comes back.
 */
import { z } from 'zod'
import type { Egress } from '../../sandbox/index.ts'
import { OxbowError, truncate, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, evident } from '../../protocol/index.ts'
import { errorPreviewBytes, maxShownCharacters, maxUrlCharacters, webPageBytes, webTimeoutMs } from '../limits.ts'
import { createPageStore, fetchPage, type Page, type PageFormat, type PageStore } from './page-fetch.ts'
import type { MayFetch } from './robots-rules.ts'

type FetchInput = z.infer<typeof fetchInput>
type FetchOutput = z.infer<typeof fetchOutput>

const fetchInput = z.strictObject({
  url: z.string().min(1).max(maxUrlCharacters).describe('With http:// or https://. Do not include private data.'),
  format: z.enum(['markdown', 'text', 'raw']).default('markdown').describe('How HTML is shown; raw: as sent.'),
  from_byte: z.int().min(0).default(0).describe('Byte at which to continue, as the last answer states.'),
  max_bytes: z.int().min(256).max(webPageBytes).default(webPageBytes).meta(evident('Maximum bytes of text in one answer.')),
})

const fetchOutput = z.strictObject({
  url: z.string(),
  final_url: z.string(),
  redirects: z.int(),
  status: z.int(),
  content_type: z.string(),
  bytes: z.int(),
  title: z.string(),
  text: z.string(),
  from_byte: z.int(),
  next_byte: z.int().nullable().describe('Null at the end.'),
  total_bytes: z.int(),
  truncated: z.boolean(),
  note: z.string().describe('Why there is no text; empty when there is.'),
})

/** @param robots absent: robots.txt is ignored */
export function webFetch(egress: Egress, robots?: MayFetch): Call {
  const store = createPageStore()
  return defineCall({
    name: 'web.fetch',
    reaches: { kind: 'url', fields: ['url'] },
    summary: 'Reads a web page or PDF over http or https as Markdown, in parts.',
    input: fetchInput,
    output: fetchOutput,
    example: { url: 'https://example.com/', format: 'markdown', from_byte: 0, max_bytes: webPageBytes },
    tier: 'side_effecting',
    does: [],
    right: 'web.read',
    // A GET is idempotent (RFC 9110, 9.2.2).
    effect: 'idempotent',
    audience: ['model', 'terminal'],
    // It gives a server an address, and fetches what is there.
    labels: { adds: ['untrusted'], sink: true, loads: true },
    timeoutMs: webTimeoutMs,
    async run(input, context) {
      const page = await findPage((url, format) => fetchPage(egress, url, format, context, robots), store, input, context)
      const output = cutPage(page, input, isGood(page) ? input.max_bytes : Math.min(input.max_bytes, errorPreviewBytes))
      const files = page.picture === null || !isGood(page) ? {} : { files: [page.picture] }
      return { output, text: pageText(output), ok: isGood(page), ...files }
    },
  })
}

function isGood({ status }: Pick<Page, 'status'>): boolean {
  return status >= 200 && status <= 299
}

/** Reading on uses the page from the first answer while it is cached. */
async function findPage(
  fetch: (url: string, format: PageFormat) => Promise<Page>,
  store: PageStore,
  { url, format, from_byte: from }: FetchInput,
  context: CallContext,
): Promise<Page> {
  // By session: one conversation must not see what another has fetched.
  const key = JSON.stringify([context.caller.session, format, url])
  const cached = from > 0 ? store.find(key) : undefined
  if (cached !== undefined) return cached
  const page = await fetch(url, format)
  if (isGood(page)) store.keep(key, page)
  return page
}

/** @throws OxbowError `bad_input` when the text ends before the requested byte */
function cutPage({ text, finalUrl, contentType, cut, ...page }: Page, { url, from_byte: start }: FetchInput, room: number): FetchOutput {
  if (start > 0 && start >= text.length)
    throw new OxbowError('bad_input', `The text of this page has ${text.length} bytes; there is nothing at byte ${start}.`, {
      hint: 'Pass a smaller from_byte, or 0 to fetch the page again.',
    })
  const from = toCharacter(text, start)
  let end = Math.min(from + room, text.length)
  if (end < text.length) {
    // End at a line where one is near, else between characters.
    const line = text.lastIndexOf(0x0a, end - 1) + 1
    end = line > from + room * 0.75 ? line : toCharacter(text, end)
  }
  return {
    url,
    final_url: finalUrl,
    redirects: page.redirects,
    status: page.status,
    content_type: contentType,
    bytes: page.bytes,
    title: page.title,
    text: text.toString('utf8', from, end),
    from_byte: from,
    next_byte: end < text.length ? end : null,
    total_bytes: text.length,
    truncated: cut,
    note: page.note,
  }
}

/** @returns the first byte of the character at the offset. UTF-8 continuation bytes are 10xxxxxx. */
function toCharacter(text: Buffer, offset: number): number {
  let at = offset
  while (at > 0 && ((text[at] ?? 0) & 0xc0) === 0x80) at -= 1
  return at
}

/** The origin comes first. The whole result is labelled untrusted, and fenced for the model. */
function pageText(output: FetchOutput): string {
  const head = [`status ${output.status}, ${output.content_type === '' ? 'no content type' : output.content_type}, ${output.bytes} bytes`]
  head.push(`from ${shown(output.final_url)}${output.redirects === 0 ? '' : ` after ${plural(output.redirects, 'redirect')}`}`)
  if (output.title !== '') head.push(`title: ${shown(output.title)}`)
  if (output.truncated) head.push('The page is larger than the limit; its end is missing.')
  if (output.total_bytes === 0) {
    head.push(output.bytes === 0 ? 'It is empty.' : output.note || 'It has no text that can be shown.')
    return head.join('\n')
  }
  head.push('', output.text)
  const end = output.from_byte + Buffer.byteLength(output.text)
  if (output.from_byte > 0 || output.next_byte !== null)
    head.push(`[Bytes ${output.from_byte} to ${end} of ${output.total_bytes}.${moreText(output)}]`)
  return head.join('\n')
}

function moreText({ next_byte: next, status }: FetchOutput): string {
  return next === null || !isGood({ status }) ? '' : ` Continue with from_byte ${next}.`
}

function shown(text: string): string {
  return truncate(text, maxShownCharacters)
}

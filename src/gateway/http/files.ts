/**
 * Files as bytes. `GET /api/v1/files/{path}?raw=1` downloads a file of the workspace, `GET /api/v1/media/{pieces}` one that an agent sent
 * or a person attached, by the hashes of its pieces; `PUT /api/v1/files/{path}?raw=1` uploads one. Each piece is a call through the gate
 * (`file.download`, `media.read`, `file.upload`), so rights, limits and the journal hold, and memory is bounded by a piece.
 *
 * Anybody may have written the content: the type comes from the bytes, nothing is rendered as a page, and whatever is opened on its own
 * has no origin and runs no script.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Kernel } from '../../kernel/index.ts'
import { createRecentMap, isOxbowError, OxbowError } from '../../base/index.ts'
import { cleanFileName, mediaTypeOf, type OutputOf } from '../../protocol/index.ts'
import { downloadPieceBytes, keptPieceSizes, maxUploadedBytes, maxUrlPieces, sniffedBytes } from '../limits.ts'
import { outputOf } from './messages.ts'
import { readPieces } from './request-body.ts'
import { httpError, sendJson } from './send-json.ts'

interface FileRequest {
  readonly kernel: Kernel
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
}

export interface Files {
  /** @returns what serves the request; undefined when it is not for bytes. @param path below `/api/v1`, as sent */
  match(request: IncomingMessage, url: URL, path: string): ((asked: FileRequest) => Promise<void>) | undefined
}

/** Where the bytes of one answer come from. */
interface Source {
  readonly name: string
  readonly totalBytes: number
  /** Changes with the content. */
  readonly tag: string
  readonly head: Buffer
  readonly caching: string
  /** @returns up to `maxBytes` from `offset`, at least one byte. @throws OxbowError, also when the file has changed meanwhile */
  read(offset: number, maxBytes: number): Promise<Buffer>
}

export function createFiles(): Files {
  const sizes = createRecentMap<string, number>(keptPieceSizes)
  return {
    match({ method = '', headers }, url, path) {
      const isRead = method === 'GET' || method === 'HEAD'
      const pieces = /^\/media\/([0-9a-f,]+)$/.exec(path)?.[1]
      if (pieces !== undefined && isRead) return async (asked) => sendSource(asked, await openMedia(asked, pieces.split(','), sizes))
      const file = /^\/files\/(.+)$/.exec(path)?.[1]
      if (file === undefined) return undefined
      const name = filePath(decodeURIComponent(file))
      const isRaw = url.searchParams.get('raw') === '1'
      if (isRead && (isRaw || /^application\/octet-stream\b/i.test(headers.accept ?? '')))
        return async (asked) => sendSource(asked, await openFile(asked.kernel, name, method === 'HEAD' || headers.range !== undefined))
      if (method === 'PUT' && (isRaw || /^application\/octet-stream\b/i.test(headers['content-type'] ?? '')))
        return (asked) => receiveFile(asked, name)
      return undefined
    },
  }
}

async function openFile(kernel: Kernel, path: string, isPart: boolean): Promise<Source> {
  const read = async (offset: number, maxBytes: number) => {
    const {
      base64,
      total_bytes: totalBytes,
      modified_at: modifiedAt,
    } = await outputOf(kernel, 'file.download', {
      path,
      offset,
      max_bytes: maxBytes,
    })
    const tag = `"${totalBytes.toString(36)}-${Math.round(modifiedAt * 1_000).toString(36)}"`
    return { content: Buffer.from(base64, 'base64'), totalBytes, tag }
  }
  const { content: head, totalBytes, tag } = await read(0, isPart ? sniffedBytes : downloadPieceBytes)
  return {
    name: cleanFileName(path),
    totalBytes,
    tag,
    head,
    caching: 'private, no-cache',
    async read(offset, maxBytes) {
      const found = await read(offset, maxBytes)
      if (found.tag === tag && found.content.length > 0) return found.content
      throw new OxbowError('tool_failed', 'The file changed while it was being sent.', { hint: 'Download it again.' })
    },
  }
}

/** @param sizes of pieces that were read before: where a piece begins follows from those before it */
async function openMedia(
  { kernel, url }: FileRequest,
  pieces: readonly string[],
  sizes: { get(hash: string): number | undefined; put(hash: string, bytes: number): void },
): Promise<Source> {
  if (pieces.length > maxUrlPieces || pieces.some((hash) => hash.length !== 64))
    throw new OxbowError('bad_input', 'The address must have the hashes of the pieces, with commas between.', {
      hint: 'Use `pieces` of the record.',
    })
  const readPiece = async (hash: string): Promise<Buffer> => {
    const { data } = await outputOf(kernel, 'media.read', { piece: hash })
    const bytes = Buffer.from(data, 'base64')
    sizes.put(hash, bytes.length)
    return bytes
  }
  // The first one is read in any case: this decides whether the client may.
  const head = await readPiece(pieces[0]!)
  const starts: number[] = []
  let totalBytes = 0
  for (const hash of pieces) {
    starts.push(totalBytes)
    totalBytes += sizes.get(hash) ?? (await readPiece(hash)).length
  }
  return {
    name: cleanFileName(url.searchParams.get('name') ?? 'file'),
    totalBytes,
    tag: `"${createHash('sha256').update(pieces.join()).digest('base64url').slice(0, 27)}"`,
    head,
    caching: 'private, max-age=31536000, immutable',
    async read(offset, maxBytes) {
      const at = starts.findLastIndex((start) => start <= offset)
      const from = offset - starts[at]!
      return (at === 0 ? head : await readPiece(pieces[at]!)).subarray(from, from + maxBytes)
    },
  }
}

async function sendSource({ request, response, url }: FileRequest, source: Source): Promise<void> {
  const { totalBytes, tag, head } = source
  const headers = { ...headersOf(source, url.searchParams.get('download') === '1'), etag: tag, 'accept-ranges': 'bytes' }
  if (isMatched(request.headers['if-none-match'], tag)) return void response.writeHead(304, headers).end()
  const range = rangeOf(request, totalBytes, tag)
  if (range === 'outside') {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${totalBytes}`, 'content-length': 0 }).end()
    return
  }
  const { from, to } = range ?? { from: 0, to: totalBytes }
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    'content-length': to - from,
    ...(range !== null && { 'content-range': `bytes ${from}-${to - 1}/${totalBytes}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  for (let at = from; at < to && !response.destroyed;) {
    const held = at < head.length ? head.subarray(at, to) : await source.read(at, Math.min(downloadPieceBytes, to - at))
    if (!response.write(held)) await drained(response)
    at += held.length
  }
  response.end()
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return
  await new Promise<void>((resolve) => {
    const end = (): void => {
      response.off('drain', end).off('close', end)
      resolve()
    }
    response.on('drain', end).on('close', end)
  })
}

/** @returns the one range that is wanted, its end excluded; null for everything: several ranges are answered so too (RFC 9110, 14.2) */
function rangeOf(
  { headers }: IncomingMessage,
  total: number,
  tag: string,
): { readonly from: number; readonly to: number } | 'outside' | null {
  const condition = headers['if-range']
  if (condition !== undefined && condition !== tag) return null
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(headers.range ?? '') ?? []
  if (first === '' && last === '') return null
  if (first === '') return Number(last) === 0 || total === 0 ? 'outside' : { from: Math.max(0, total - Number(last)), to: total }
  if (last !== '' && Number(last) < Number(first)) return null
  if (Number(first) >= total) return 'outside'
  return { from: Number(first), to: last === '' ? total : Math.min(total, Number(last) + 1) }
}

/** What a browser may show by itself; everything else is saved. */
const shown = /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|audio\/[\w.+-]+|video\/[\w.+-]+|text\/plain)$/

function headersOf({ name, head, caching }: Source, isDownload: boolean): Readonly<Record<string, string>> {
  const found = mediaTypeOf(head.subarray(0, sniffedBytes), '')
  const disposition = !isDownload && shown.test(found) ? 'inline' : 'attachment'
  // As the source of an element of a page, a drawing runs no script; opened by itself, it is saved.
  const isDrawing = found === 'text/plain' && /\.svg$/i.test(name)
  const type = isDrawing ? 'image/svg+xml' : found === 'text/plain' ? 'text/plain; charset=utf-8' : found
  const ascii = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`)
  return {
    'content-type': type,
    'content-disposition': `${isDrawing ? 'attachment' : disposition}; filename="${ascii}"; filename*=UTF-8''${encoded}`,
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': caching,
  }
}

/** Lists name files by `/shared/x`: an address that says so means the same file, not one in a folder `shared` below it. */
export function filePath(path: string): string {
  return path === 'shared' || path.startsWith('shared/') ? `/${path}` : path
}

/** Whether a header `If-Match` or `If-None-Match` has this tag. */
function isMatched(header: string | undefined, tag: string): boolean {
  return header !== undefined && (header.trim() === '*' || header.split(/\s*,\s*/).includes(tag))
}

/**
 * `If-None-Match: *` replaces no file, and `If-Match` only the content that has this tag (RFC 9110, 13.1).
 * @throws OxbowError for a condition that does not hold: 412
 */
export async function assertConditions(kernel: Kernel, { headers }: IncomingMessage, path: string): Promise<void> {
  const { 'if-none-match': unlike, 'if-match': like } = headers
  if (unlike === undefined && like === undefined) return
  const tag = await openFile(kernel, path, true).then(
    (source) => source.tag,
    (error: unknown) => {
      if (isOxbowError(error, 'not_found')) return null
      throw error
    },
  )
  if (tag !== null && isMatched(unlike, tag))
    throw httpError(412, `${path} exists already.`, 'Choose another name, or send no If-None-Match.')
  if (like !== undefined && (tag === null || !isMatched(like, tag)))
    throw httpError(412, `${path} is not as If-Match has it.`, 'Read it again: it has changed, or is gone.')
}

/** Nothing appears under the name before the last byte has arrived. */
async function receiveFile({ kernel, request, response }: FileRequest, path: string): Promise<void> {
  await assertConditions(kernel, request, path)
  const upload = randomUUID()
  const overwrite = request.headers['if-none-match']?.trim() !== '*'
  let offset = 0
  let held: Buffer | null = null
  const put = async (content: Buffer, last: boolean): Promise<OutputOf<'file.upload'>> => {
    const output = await outputOf(kernel, 'file.upload', {
      path,
      upload,
      offset,
      base64: content.toString('base64'),
      last,
      overwrite,
    })
    offset += content.length
    return output
  }
  // One piece is held back, because the last one is marked.
  for await (const piece of readPieces(request, maxUploadedBytes, downloadPieceBytes)) {
    if (held !== null) await put(held, false)
    held = piece
  }
  // The body may have taken minutes.
  await assertConditions(kernel, request, path)
  const output = await put(held ?? Buffer.alloc(0), true).catch(async (error: unknown) => {
    // Another one has created it meanwhile.
    if (!overwrite) await assertConditions(kernel, request, path)
    throw error
  })
  sendJson(response, output.created ? 201 : 200, output)
}

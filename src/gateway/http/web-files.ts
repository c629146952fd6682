/**
 * The files of the web application, as `npm run build` leaves them in `dist/web`. Only files that stood there at the first request are
 * served, by exact path, so no path of a request reaches the disk. Names of assets contain a hash of their content: they never change.
 */
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { ownValue, toFailure } from '../../base/index.ts'
import { sendProblem, wrongMethod } from './send-json.ts'

/** Answers every GET that nothing else answers. */
export type WebFiles = (request: IncomingMessage, response: ServerResponse, path: string) => void

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

const security = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=(), usb=()',
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  woff2: 'font/woff2',
  json: 'application/json',
  webmanifest: 'application/manifest+json',
}

interface WebFile {
  readonly file: string
  readonly type: string
  readonly bytes: number
  /** Size of the Brotli-compressed file next to it; null: no such file. */
  readonly brotliBytes: number | null
}

export function createWebFiles(folder: string): WebFiles {
  let files = listFiles(folder)
  return (request, response, path) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return sendProblem(response, toFailure(onlyRead, 'bad_input', ''), onlyRead)
    // In a checkout it may be built after the first request.
    if (!files.has('/index.html')) files = listFiles(folder)
    const found = files.get(path) ?? (isPage(path) ? files.get('/index.html') : undefined)
    if (found !== undefined) return sendFile(request, response, found, path.startsWith('/assets/'))
    const missing = files.has('/index.html') ? 'There is nothing at this address.\n' : 'The web application is not built. Run: oxbow web\n'
    refuse(response, 404, missing)
  }
}

/** Pages of the application are addresses without a dot; which of them exist is the application's to say. */
function isPage(path: string): boolean {
  return !path.includes('.') && !path.startsWith('/assets/')
}

function listFiles(folder: string): ReadonlyMap<string, WebFile> {
  if (!existsSync(folder)) return new Map()
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'))
  return new Map(
    names.flatMap((name): [string, WebFile][] => {
      const type = ownValue(types, name.split('.').at(-1) ?? '')
      const file = join(folder, name)
      if (type === undefined || !statSync(file).isFile()) return []
      const brotliBytes = statSync(`${file}.br`, { throwIfNoEntry: false })?.size ?? null
      return [[`/${name}`, { file, type, bytes: statSync(file).size, brotliBytes }]]
    }),
  )
}

function sendFile(request: IncomingMessage, response: ServerResponse, found: WebFile, isImmutable: boolean): void {
  const brotliBytes = /\bbr\b/.test(request.headers['accept-encoding'] ?? '') ? found.brotliBytes : null
  const isBrotli = brotliBytes !== null
  response.writeHead(200, {
    ...security,
    'content-type': found.type,
    'content-length': brotliBytes ?? found.bytes,
    'cache-control': isImmutable ? 'public, max-age=31536000, immutable' : 'no-store',
    vary: 'accept-encoding',
    ...(isBrotli && { 'content-encoding': 'br' }),
  })
  if (request.method === 'HEAD') return void response.end()
  // A file that is gone after a new build, or a page that is closed, ends the answer.
  pipeline(createReadStream(isBrotli ? `${found.file}.br` : found.file), response, () => {})
}

const onlyRead = wrongMethod(['GET', 'HEAD'])

function refuse(response: ServerResponse, status: number, text: string): void {
  const headers = { ...security, 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(text) }).end(text)
}

/**
 * Files of the workspace as resources: `oxbow:///shared/notes/todo.md`. They are listed and read by the same calls as everything else, so
 * that rights, limits, the flow policy and the journal hold. A followed file is looked at again when a call has ended that may have
 * changed it; what a person changes outside this guest is seen with the next such call.
 */
import { randomUUID } from 'node:crypto'
import { posix } from 'node:path'
import type { ForeignCalls, ForeignEnd } from '../../kernel/index.ts'
import { type CallId, isOxbowError, type JsonObject, ownValue, OxbowError, type SessionId } from '../../base/index.ts'
import { type CallName, mediaTypeOf, type OutputOf } from '../../protocol/index.ts'
import { maxMcpPage, maxResourceBytes, resourceRestMs } from '../limits.ts'
import { cursorAt, type Offer, type Page, pageOf, type Resource, type ResourceContent, startOf } from './offer.ts'

type Resources = Pick<Offer, 'resources' | 'templates' | 'read' | 'subscribe'> & {
  /** @returns paths below the folders that may be read, which begin so */
  complete(beginning: string): Promise<readonly string[]>
}

interface ResourceDeps {
  readonly foreign: ForeignCalls
  readonly session: () => Promise<SessionId>
}

const template = 'oxbow:///shared/{+path}'
const everything = '/shared'
/** As deep as `file.list` descends. */
const depth = 8

export function createResources(deps: ResourceDeps): Resources {
  const never = new AbortController().signal
  return {
    async resources(cursor, { signal }) {
      const roots = (await deps.foreign.readable()) ?? [everything]
      if (roots.length === 1) return listRoot(deps, roots[0]!, startOf(cursor), signal)
      const lists = await Promise.all(roots.map((root) => listRoot(deps, root, 0, signal)))
      return pageOf(
        lists.flatMap(({ items }) => items),
        cursor,
        maxMcpPage,
      )
    },
    templates: async () => [{ uriTemplate: template, name: 'file', description: 'A file of the workspace.' }],
    async read(uri, { signal }) {
      const path = pathOf(uri)
      return [await readFile(deps, path, signal)]
    },
    async subscribe(uri, onChange) {
      const path = pathOf(uri)
      let before = await tagOf(deps, path, never)
      let resting: NodeJS.Timeout | null = null
      const look = async (): Promise<void> => {
        resting = null
        const now = await tagOf(deps, path, never)
        if (now !== before) onChange()
        before = now
      }
      const stop = deps.foreign.onChange(() => {
        resting ??= setTimeout(() => void look().catch(() => {}), resourceRestMs).unref()
      })
      return () => {
        stop()
        if (resting !== null) clearTimeout(resting)
      }
    },
    async complete(beginning) {
      const path = posix.normalize(posix.join(everything, beginning))
      const folder = beginning.endsWith('/') || beginning === '' ? path : posix.dirname(path)
      const { entries } = await outputOf(deps, 'file.list', { path: folder }, never)
      const names = entries.map((entry) => `${entry.path}${entry.kind === 'folder' ? '/' : ''}`.slice(everything.length + 1))
      return names.filter((name) => name.startsWith(beginning))
    },
  }
}

/** @returns nothing for a folder that is not there yet: the right to it is no mistake of the program that asks */
async function listRoot(deps: ResourceDeps, path: string, skip: number, signal: AbortSignal): Promise<Page<Resource>> {
  try {
    return await listFolder(deps, path, skip, signal)
  } catch (error) {
    if (isOxbowError(error) && error.code === 'not_found') return { items: [] }
    throw error
  }
}

async function listFolder(deps: ResourceDeps, path: string, skip: number, signal: AbortSignal): Promise<Page<Resource>> {
  const { entries, truncated } = await outputOf(deps, 'file.list', { path, depth, skip }, signal)
  const files = entries.filter(({ kind }) => kind === 'file')
  const items = files.map(({ path: file, bytes }) => ({ uri: uriOf(file), name: file.slice(everything.length + 1) || file, size: bytes }))
  return truncated && entries.length > 0 ? { items, next: cursorAt(skip + entries.length) } : { items }
}

type TextPage = OutputOf<'file.read'>

async function readFile(deps: ResourceDeps, path: string, signal: AbortSignal): Promise<ResourceContent> {
  const uri = uriOf(path)
  const pages: string[] = []
  for (let from = 1; ;) {
    const read = await made(deps, 'file.read', { path, from_line: from }, signal)
    const { outcome, pictures } = read
    if (outcome.status !== 'ok') {
      if (outcome.failure.code === 'not_text') return readBytes(deps, path, signal)
      throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
    }
    const [picture] = pictures
    if (picture !== undefined) return { uri, mimeType: picture.mediaType, blob: Buffer.from(picture.data).toString('base64') }
    const page = outcome.output as TextPage
    if (page.bytes > maxResourceBytes) throw tooLarge(path)
    if (page.hash === '' || page.cut) return readBytes(deps, path, signal)
    pages.push(page.newline ? `${page.text}\n` : page.text)
    from = page.from_line + page.lines
    if (page.lines === 0 || from > page.total_lines) break
  }
  const text = pages.join('')
  return { uri, mimeType: mediaTypeOf(Buffer.from(text.slice(0, 4_096)), byName(path)), text }
}

async function readBytes(deps: ResourceDeps, path: string, signal: AbortSignal): Promise<ResourceContent> {
  const input = { path, max_bytes: maxResourceBytes }
  const { base64, total_bytes: total } = await outputOf(deps, 'file.bytes', input, signal)
  if (total > maxResourceBytes) throw tooLarge(path)
  return { uri: uriOf(path), mimeType: mediaTypeOf(Buffer.from(base64, 'base64').subarray(0, 4_096), byName(path)), blob: base64 }
}

/** @returns what changes with the content; empty: it is not there, or may not be read */
async function tagOf(deps: ResourceDeps, path: string, signal: AbortSignal): Promise<string> {
  const { outcome } = await made(deps, 'file.read', { path, max_lines: 1 }, signal)
  if (outcome.status !== 'ok') return outcome.failure.code
  const { hash, bytes } = outcome.output as TextPage
  return `${hash} ${bytes}`
}

async function outputOf<Name extends CallName>(
  deps: ResourceDeps,
  name: Name,
  input: JsonObject,
  signal: AbortSignal,
): Promise<OutputOf<Name>> {
  const { outcome } = await made(deps, name, input, signal)
  if (outcome.status !== 'ok') throw new OxbowError(outcome.failure.code, outcome.failure.message, { hint: outcome.failure.hint })
  return outcome.output as OutputOf<Name>
}

/** @throws OxbowError also where a person must decide first */
async function made({ foreign, session }: ResourceDeps, name: string, input: JsonObject, signal: AbortSignal): Promise<ForeignEnd> {
  const run = await foreign.begin({ id: randomUUID() as string as CallId, name, input, session: await session() })
  const now = await run.next(signal)
  if ('ended' in now) return now.ended
  run.cancel()
  throw new OxbowError('denied', `A person must allow ${now.asks.name}: ${now.asks.reason ?? ''}`, {
    hint: `Use the tool ${name.replace('.', '_')} instead, which waits for the person.`,
  })
}

function uriOf(path: string): string {
  return `oxbow://${path.split('/').map(encodeURIComponent).join('/')}`
}

/** @throws OxbowError `not_found` */
function pathOf(uri: string): string {
  const unknown = new OxbowError('not_found', 'There is no such resource.', { hint: `Resources are ${template}.` })
  if (!uri.startsWith('oxbow:///') || uri.length > 4_096) throw unknown
  try {
    const path = decodeURIComponent(uri.slice('oxbow://'.length))
    const isPlain = posix.normalize(path) === path && (path === everything || path.startsWith(`${everything}/`))
    if (isPlain && !path.includes('\0')) return path
  } catch {
    // No valid percent-encoding.
  }
  throw unknown
}

/** Of text, which has no type of its own. */
function byName(path: string): string {
  const types: JsonObject = { '.md': 'text/markdown', '.json': 'application/json', '.csv': 'text/csv', '.html': 'text/html' }
  const type = ownValue(types, posix.extname(path).toLowerCase())
  return typeof type === 'string' ? type : 'text/plain'
}

function tooLarge(path: string): OxbowError {
  return new OxbowError('limit_reached', `${path} has more than ${maxResourceBytes} bytes.`, {
    hint: 'Read it in parts by the tool file_read.',
  })
}

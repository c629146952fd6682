/** Files of the workspace as the page reads and writes them: folders by call, content as bytes over HTTP. */
import { useCallback, useEffect, useRef, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { type Failure, OxbowError, toFailure } from '../../../../src/base/index.ts'
import { callOf, useEvents } from '../../data/calls.ts'
import { addressInGuest, useGuest } from '../../data/guest.tsx'

/** The top of the workspace, as agents see it. */
export const root = '/shared'

/** Its path is absolute, e.g. `/shared/notes/todo.md`. */
export type Entry = OutputOf<'file.list'>['entries'][number]

export interface Folder {
  /** Folders first, then by name. */
  readonly entries: readonly Entry[]
  readonly failure: Failure | null
  /** There are more than are shown. */
  readonly isCut: boolean
}

/** Entries of one folder that are read. */
const maxEntries = 2_000

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function parentOf(path: string): string {
  return path === root ? root : path.slice(0, path.lastIndexOf('/'))
}

const collator = new Intl.Collator('en', { numeric: true })

function inOrder(entries: readonly Entry[]): readonly Entry[] {
  const rank = ({ kind }: Entry): number => (kind === 'folder' ? 0 : 1)
  return entries.toSorted((a, b) => rank(a) - rank(b) || collator.compare(nameOf(a.path), nameOf(b.path)))
}

export interface Workspace {
  /** Folders that were opened, by path. */
  readonly folders: ReadonlyMap<string, Folder>
  readonly open: (path: string) => void
  /** Reads the opened folders again. */
  readonly refresh: () => void
}

/** @param isAll also what is hidden or ignored */
export function useWorkspace(isAll: boolean): Workspace {
  const { client, isConnected, connections } = useGuest()
  const [folders, setFolders] = useState<ReadonlyMap<string, Folder>>(new Map())
  const opened = useRef(new Set<string>())
  const read = useCallback(
    async (path: string): Promise<void> => {
      const put = (folder: Folder): void => setFolders((before) => new Map(before).set(path, folder))
      try {
        const entries: Entry[] = []
        let isCut = true
        while (isCut && entries.length < maxEntries) {
          const page = await callOf(client, 'file.list', { path, depth: 1, all: isAll, skip: entries.length })
          entries.push(...page.entries)
          isCut = page.truncated && page.entries.length > 0
        }
        put({ entries: inOrder(entries), failure: null, isCut })
      } catch (error) {
        const failure = toFailure(error, 'internal_failure', 'Try again.')
        if (failure.code !== 'guest_unreachable') put({ entries: [], failure, isCut: false })
      }
    },
    [client, isAll],
  )
  const refresh = useCallback(() => opened.current.forEach((path) => void read(path)), [read])
  const open = useCallback(
    (path: string): void => {
      if (opened.current.has(path)) return
      opened.current.add(path)
      void read(path)
    },
    [read],
  )
  useEffect(() => {
    if (isConnected) refresh()
  }, [refresh, isConnected, connections])
  // Agents write while a turn runs; a restore writes, too.
  useEvents(['turn_ended'], refresh)
  return { folders, open, refresh }
}

/** @returns the address of a file's bytes @param path absolute */
export function addressOf(path: string, isDownload = false): string {
  const segments = path.slice(1).split('/')
  return addressInGuest(`/api/v1/files/${segments.map(encodeURIComponent).join('/')}?raw=1${isDownload ? '&download=1' : ''}`)
}

export type Content =
  | { readonly kind: 'text'; readonly text: string; readonly totalBytes: number; readonly isCut: boolean }
  | { readonly kind: 'image' | 'audio' | 'video' | 'binary'; readonly type: string; readonly totalBytes: number }

/** Of a text, more than this is one download away. */
const shownBytes = 512 * 1_024

/** @throws OxbowError */
export async function readContent(path: string, signal: AbortSignal): Promise<Content> {
  const response = await fetch(addressOf(path), { headers: { range: `bytes=0-${shownBytes - 1}` }, signal })
  // An empty file has no range.
  if (response.status === 416) return { kind: 'text', text: '', totalBytes: 0, isCut: false }
  if (!response.ok) throw await problemOf(response)
  const type = response.headers.get('content-type') ?? 'application/octet-stream'
  const totalBytes = Number(
    /\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? response.headers.get('content-length') ?? 0,
  )
  const media = /^(image|audio|video)\//.exec(type)?.[1] as 'image' | 'audio' | 'video' | undefined
  if (media !== undefined || !type.startsWith('text/plain')) {
    await response.body?.cancel()
    return { kind: media ?? 'binary', type, totalBytes }
  }
  const bytes = await response.arrayBuffer()
  // The last character may be cut.
  const text = new TextDecoder().decode(bytes).replace(/\uFFFD$/, '')
  return { kind: 'text', text, totalBytes, isCut: totalBytes > bytes.byteLength }
}

async function problemOf(response: Response): Promise<OxbowError> {
  const body = (await response.json().catch(() => ({}))) as Partial<Record<'detail' | 'hint' | 'code', string>>
  const message = body.detail ?? `The guest has answered with ${response.status}.`
  return new OxbowError((body.code as Failure['code'] | undefined) ?? 'internal_failure', message, { hint: body.hint ?? 'Try again.' })
}

/** Sends a file; `fetch` does not tell how far it is. @param isReplacing false: an existing file of this name is refused @throws OxbowError */
export function sendFile(path: string, file: Blob, isReplacing: boolean, onProgress: (part: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('PUT', addressOf(path))
    request.setRequestHeader('content-type', 'application/octet-stream')
    if (!isReplacing) request.setRequestHeader('if-none-match', '*')
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(total === 0 ? 1 : loaded / total))
    const lost = new OxbowError('guest_unreachable', 'The connection was lost.', { hint: 'Upload the file again.' })
    request.addEventListener('error', () => reject(lost))
    request.addEventListener('load', () => {
      if (request.status < 300) resolve()
      else void problemOf(new Response(request.responseText, { status: request.status })).then(reject)
    })
    request.send(file)
  })
}

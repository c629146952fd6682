/** Finds files for `@`: the workspace's by calls, which are remembered for some seconds, and the person's own by their paths. */
import { toError } from '../base/index.ts'
import type { OutputOf } from '../protocol/index.ts'
import { completionRows, maxFolderEntries } from './limits.ts'
import type { Ports } from './ports.ts'
import type { SessionLink } from './session-link.ts'
import type { FoundFile } from './completion.ts'

interface Listed {
  readonly at: number
  readonly entries: Promise<Listing>
}

type Listing = OutputOf<'file.list'>

const rememberedMs = 10_000
const depth = 4

export interface FileFinder {
  find(query: string): Promise<readonly FoundFile[]>
}

export function createFileFinder(link: Pick<SessionLink, 'gateway'>, ports: Pick<Ports, 'ownFiles' | 'folder'>): FileFinder {
  const remembered = new Map<string, Listed>()
  const list = (path: string, levels: number, glob: string): Promise<Listing> => {
    const key = `${levels} ${path} ${glob}`
    const recent = remembered.get(key)
    const now = performance.now()
    if (recent !== undefined && now - recent.at < rememberedMs) return recent.entries
    const entries = listFolder(link, { path, depth: levels, glob })
    remembered.set(key, { at: now, entries })
    entries.catch(() => remembered.delete(key))
    return entries
  }
  return {
    async find(query) {
      if (/^(?:\.{1,2}\/|~\/|\/(?!shared\b|tmp\b))/.test(query)) return (await ports.ownFiles(query)).slice(0, maxFolderEntries)
      const { folder, name } = split(query, ports.folder)
      const isDeep = !query.includes('/')
      const all = await list(folder, isDeep ? depth : 1, '')
      const found = matching(all, name)
      // A large workspace is not listed whole: it is searched by name.
      if (!isDeep || !all.truncated || name.length < 2 || found.length >= completionRows) return found
      return matching(await list(folder, 9, `*${name.replace(/[[\]{}*?!\\]/g, '')}*`), name)
    },
  }
}

function split(query: string, base: string): { readonly folder: string; readonly name: string } {
  const slash = query.lastIndexOf('/')
  const folder = query.slice(0, Math.max(0, slash))
  const name = query.slice(slash + 1)
  if (folder.startsWith('/')) return { folder, name }
  return { folder: folder === '' ? base : `${base}/${folder}`, name }
}

async function listFolder(link: Pick<SessionLink, 'gateway'>, input: { path: string; depth: number; glob: string }): Promise<Listing> {
  const outcome = await link.gateway().call('file.list', input)
  if (outcome.status === 'ok') return outcome.output
  throw toError(outcome.failure)
}

/** Names that begin with the text come first, then those that contain it, then paths that do. */
function matching({ entries }: Listing, name: string): readonly FoundFile[] {
  const wanted = name.toLowerCase()
  const rank = (path: string): number => {
    const base = path.slice(path.lastIndexOf('/') + 1).toLowerCase()
    return base.startsWith(wanted) ? 0 : base.includes(wanted) ? 1 : path.toLowerCase().includes(wanted) ? 2 : 3
  }
  return entries
    .filter(({ kind }) => kind === 'file' || kind === 'folder')
    .map(({ path, kind }) => ({ path, isFolder: kind === 'folder', isOwn: false, rank: rank(path) }))
    .filter((file) => file.rank < 3)
    .toSorted((a, b) => a.rank - b.rank || a.path.length - b.path.length)
    .slice(0, maxFolderEntries)
    .map(({ path, isFolder, isOwn }) => ({ path, isFolder, isOwn }))
}

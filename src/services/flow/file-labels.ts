/**
 * Which files carry labels, and where their data comes from. What any session reads is untrusted anyway, so only files with `private` data
 * are listed: those that a session which has read private data has written, or may have. An entry is a document of the state, durable
 * before the content is: a crash leaves a label too many, never one too few.
 *
 * Entries are by path and by content: a file that somebody has renamed behind the back of this guest is found by its hash. An entry of what
 * is gone or replaced stays, because versions of it may be read (`past`). Where too many files are labelled, whole folders are (`tree`).
 */
import { type DocumentChange, type Documents, joined, nothing, type Provenance } from '../../kernel/index.ts'
import type { CallId } from '../../base/index.ts'
import { type Caller, fileFlowCategories, type Label, parseOrigins, writeOrigins } from '../../protocol/index.ts'

/** Files with labels that are listed one by one; of more, whole folders are labelled. About 300 bytes each. */
const maxFileLabels = 4_000

interface Entry extends Provenance {
  readonly path: string
  /** The beginning of the SHA-256 of its content; '' where it is not known. */
  readonly hash: string
  /** Everything below it. */
  readonly tree: boolean
  /** What is there now has no labels, or nothing is there. */
  readonly past: boolean
  /** The call that wrote it. */
  readonly call: string
  /** The beginning of the SHA-256 of the content that a person has declassified; '': none. */
  readonly freed: string
}

type StoredEntry = readonly [labels: readonly Label[], from: unknown, hash: string, flags: string, call: string, freed?: string]

/** A command or a job that may write under these labels, from before it began until what it has changed is known. */
interface OpenWriter extends Provenance {
  readonly name: string
  /** Unix milliseconds. */
  readonly at: number
}

/** The call in whose name entries change. */
export interface Of {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

export interface FileLabels {
  /** Whether no file that is there has labels, and no writer is open. */
  isEmpty(): boolean
  /** Labels of a file. @param below also of everything in a folder @param ever also of what was there before */
  at(path: string, options?: { readonly below?: boolean; readonly ever?: boolean }): Provenance
  /** Labels of any file with this content. @param hash the whole, or its beginning */
  withContent(hash: string): Provenance
  /** Labels of all files that are there. @param sees of those only; a folder with labels may hold any of them */
  everywhere(sees?: (path: string) => boolean): Provenance
  /** Joins labels to files; durable when it resolves. @param tree to everything below them */
  mark(of: Of, paths: readonly string[], held: Provenance, tree?: boolean): Promise<void>
  /** The SHA-256 of the content of these files, or its beginning, for those that have labels. */
  setHashes(of: Of, hashes: ReadonlyMap<string, string>): Promise<void>
  /** Files were deleted, or replaced as a whole by what has no labels. */
  setPast(of: Of, paths: readonly string[], below?: boolean): Promise<void>
  /** What was there is there again. */
  bringBack(of: Of, path: string): Promise<void>
  /** Copies the labels of a file or folder to its new name. */
  copy(of: Of, from: string, to: string): Promise<void>
  /** Paths that are said to be there and are not trees. */
  present(): readonly string[]
  readonly writers: ReadonlyMap<string, OpenWriter>
  begin(of: Of, writer: OpenWriter): Promise<void>
  end(of: Of, name: string): Promise<void>
  /** A person has declassified a file with this content. @param digest SHA-256; '': takes it back */
  free(of: Of, path: string, digest: string): Promise<void>
  /** @returns what a person has declassified: the labels where the file has other content now */
  freed(path: string, hash: string): Provenance | null
  /** Files that are there. */
  list(): readonly (Provenance & { readonly path: string })[]
}

const [fileLabelCategory, openWriterCategory] = fileFlowCategories

/** The entries, in memory and as documents. */
interface EntryTable {
  readonly all: ReadonlyMap<string, Entry>
  /** How many entries are there, and how many of them are whole folders. */
  readonly count: { readonly present: number; readonly trees: number }
  set(of: Of, changed: readonly Entry[]): Promise<void>
  /** Changes the entries that fit. */
  update(of: Of, fits: (entry: Entry) => boolean, change: Partial<Entry>): Promise<void>
}

async function loadEntries(documents: Pick<Documents, 'all' | 'put'>): Promise<EntryTable> {
  const all = new Map<string, Entry>()
  for (const { name, value } of await documents.all<StoredEntry>(fileLabelCategory)) all.set(name, readEntry(name, value))
  const count = { present: 0, trees: 0 }
  const recount = (): void => {
    const there = [...all.values()].filter(({ past }) => !past)
    count.present = there.length
    count.trees = there.filter(({ tree }) => tree).length
  }
  recount()
  const set: EntryTable['set'] = async (of, changed) => {
    if (changed.length === 0) return
    for (const entry of changed) all.set(entry.path, entry)
    const collapsed = all.size > maxFileLabels ? collapse(all) : []
    recount()
    const paths = new Set([...changed.map(({ path }) => path), ...collapsed])
    await documents.put(
      of,
      [...paths].map((path) => changeOf(path, all.get(path))),
    )
  }
  return {
    all,
    count,
    set,
    update: (of, fits, change) =>
      set(
        of,
        [...all.values()].filter(fits).map((entry) => ({ ...entry, ...change })),
      ),
  }
}

/** @param writers left by an earlier guest; this guest's are added to them */
function openWriters(documents: Pick<Documents, 'put'>, writers: Map<string, OpenWriter>): Pick<FileLabels, 'writers' | 'begin' | 'end'> {
  return {
    writers,
    async begin(of, writer) {
      writers.set(writer.name, writer)
      const { labels, from, at } = writer
      await documents.put(of, [{ category: openWriterCategory, name: writer.name, value: { labels, from: writeOrigins(from), at } }])
    },
    async end(of, name) {
      if (writers.delete(name)) await documents.put(of, [{ category: openWriterCategory, name, value: null }])
    },
  }
}

export async function loadFileLabels(documents: Pick<Documents, 'all' | 'put'>): Promise<FileLabels> {
  const entries = await loadEntries(documents)
  const left = await documents.all<Omit<OpenWriter, 'name' | 'from'> & { from: unknown }>(openWriterCategory)
  const writers = new Map(left.map(({ name, value }) => [name, { ...value, name, from: parseOrigins(value.from) }]))
  return {
    ...openWriters(documents, writers),
    ...readLabels(entries),
    ...writeLabels(entries),
    isEmpty: () => entries.count.present === 0 && writers.size === 0,
  }
}

function readLabels({ all, count }: EntryTable): Pick<FileLabels, 'at' | 'withContent' | 'everywhere' | 'present' | 'freed' | 'list'> {
  return {
    freed(path, hash) {
      const entry = all.get(path)
      if (entry === undefined || entry.past || entry.freed === '') return null
      return entry.freed === shortHash(hash) ? nothing : { labels: entry.labels, from: entry.from }
    },
    list: () => [...all.values()].filter(({ past }) => !past).toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    at(path, { below = false, ever = false } = {}) {
      const counts = (entry: Entry | undefined): entry is Entry => entry !== undefined && (ever || (!entry.past && entry.freed === ''))
      const own = all.get(path)
      let found = counts(own) ? joined(nothing, own) : nothing
      for (const folder of count.trees > 0 || ever ? foldersOf(path) : []) {
        const entry = all.get(folder)
        if (counts(entry) && entry.tree) found = joined(found, entry)
      }
      for (const entry of below ? all.values() : []) if (counts(entry) && isBelow(entry.path, path)) found = joined(found, entry)
      return found
    },
    withContent(hash) {
      const short = shortHash(hash)
      const same = short === '' ? [] : [...all.values()].filter((entry) => entry.hash === short)
      return same.reduce<Provenance>(joined, nothing)
    },
    everywhere: (sees = () => true) =>
      [...all.values()].reduce<Provenance>(
        (found, entry) => (!entry.past && entry.freed === '' && (entry.tree || sees(entry.path)) ? joined(found, entry) : found),
        nothing,
      ),
    present: () => [...all.values()].flatMap(({ path, past, tree }) => (past || tree ? [] : [path])),
  }
}

function writeLabels({ all, set, update }: EntryTable): Pick<FileLabels, 'mark' | 'setHashes' | 'setPast' | 'bringBack' | 'copy' | 'free'> {
  return {
    free: (of, path, digest) => update(of, (entry) => entry.path === path, { freed: shortHash(digest), hash: shortHash(digest) }),
    mark(of, paths, held, tree = false) {
      const changed = [...new Set(paths)].flatMap((path): Entry[] => {
        const before = all.get(path)
        if (before === undefined || before.past)
          return [{ ...joined(nothing, held), path, hash: '', tree, past: false, call: of.call, freed: '' }]
        const { labels, from } = joined({ labels: before.labels, from: before.from }, held)
        const isSame = before.freed === '' && labels === before.labels && from === before.from && (before.tree || !tree)
        return isSame ? [] : [{ labels, from, path, hash: '', tree: tree || before.tree, past: false, call: of.call, freed: '' }]
      })
      return set(of, changed)
    },
    setHashes(of, hashes) {
      const changed = [...hashes].flatMap(([path, hash]): Entry[] => {
        const entry = all.get(path)
        const short = shortHash(hash)
        return entry === undefined || entry.hash === short ? [] : [{ ...entry, hash: short }]
      })
      return set(of, changed)
    },
    setPast: (of, paths, below = false) =>
      update(of, (entry) => !entry.past && paths.some((path) => entry.path === path || (below && isBelow(entry.path, path))), {
        past: true,
        tree: false,
        freed: '',
      }),
    bringBack: (of, path) => update(of, (entry) => entry.past && (entry.path === path || isBelow(entry.path, path)), { past: false }),
    async copy(of, from, to) {
      const there = [...all.values()].filter(({ past }) => !past)
      const folders = there.filter(({ path, tree }) => tree && isBelow(from, path))
      const moved = there.filter(({ path }) => path === from || isBelow(path, from))
      const renamed = moved.map((entry) => ({ ...entry, path: `${to}${entry.path.slice(from.length)}` }))
      await set(of, [...folders.map((entry) => ({ ...entry, path: to })), ...renamed])
    },
  }
}

/** Of no content, which many files have. */
const emptyHash = 'e3b0c44298fc'

/** @returns the beginning that hands report with each read and change; '' for what tells nothing */
function shortHash(hash: string): string {
  const short = hash.slice(0, emptyHash.length)
  return short === emptyHash || !/^[0-9a-f]{12}$/.test(short) ? '' : short
}

function readEntry(path: string, [labels, from, hash, flags, call, freed = '']: StoredEntry): Entry {
  return { freed, path, labels, from: parseOrigins(from), hash, tree: flags.includes('t'), past: flags.includes('p'), call }
}

function changeOf(path: string, entry: Entry | undefined): DocumentChange {
  if (entry === undefined) return { category: fileLabelCategory, name: path, value: null }
  const { labels, from, hash, tree, past, call, freed } = entry
  const value: StoredEntry = [labels, writeOrigins(from), hash, `${tree ? 't' : ''}${past ? 'p' : ''}`, call, freed]
  return { category: fileLabelCategory, name: path, value }
}

/** Replaces single entries with entries for whole folders: first two levels down, then all. @returns the paths that have changed */
function collapse(entries: Map<string, Entry>): readonly string[] {
  const changed = new Set<string>()
  for (const depth of [3, 2]) {
    if (entries.size <= maxFileLabels / 2) break
    const single = [...entries.values()]
    for (const entry of single) {
      const folder = entry.path.split('/').slice(0, depth).join('/')
      if (folder === entry.path) continue
      const before = entries.get(folder)
      const all = before === undefined ? entry : joined({ labels: before.labels, from: before.from }, entry)
      entries.set(folder, {
        labels: all.labels,
        from: all.from,
        path: folder,
        hash: '',
        tree: true,
        past: false,
        call: entry.call,
        freed: '',
      })
      entries.delete(entry.path)
      changed.add(folder).add(entry.path)
    }
  }
  return [...changed]
}

function foldersOf(path: string): readonly string[] {
  const names = path.split('/')
  return names.slice(1, -1).map((_, depth) => names.slice(0, depth + 2).join('/'))
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}

/**
 * Keeps the versions of a cluster's guest in its store, in the thread of the versions: what a commit has added is pushed before the call that
 * changed files is answered, and a node that takes over fetches what it lacks. A file next to the repository says which version this node has
 * last known in the store, and which packs: written after the store has them, so that a kill in between only has them pushed again.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../../base/index.ts'
import {
  addObjects,
  type LargeFiles,
  objectsInBundle,
  type PackedObject,
  packNames,
  readBundle,
  type Repository,
} from '../../../repository/index.ts'
import {
  type FilesPlace,
  type KeptFiles,
  type KeptKind,
  maxKeptPacks,
  type NewestFiles,
  type NewPack,
  openKeptFiles,
} from '../../../store/index.ts'
import { maxFetchedBytes } from '../limits.ts'

/** What this node knows of the store. */
interface Known {
  /** The newest version that it has had from the store, or given to it. */
  readonly head: string
  /** It has all packs up to this one. */
  readonly seq: number
  /** Packs and large contents of its own that the store has. */
  readonly names: readonly string[]
}

/** `none`: nothing is kept yet; `same`: no other node has made a version since. */
export type NewestState = { readonly is: 'none' } | { readonly is: 'same' } | { readonly is: 'other'; readonly node: string }

export interface KeptVersions {
  newest(): Promise<NewestState>
  /** Gets what this node lacks. @param all also what it should have @returns the newest version, and the one that this node knew before */
  fetch(all: boolean): Promise<{ readonly newest: NewestFiles; readonly base: string }>
  /** The workspace is at the newest version now. */
  took(newest: NewestFiles): Promise<void>
  /** Resolves when the store has all that there is. @param withRefs names of versions have changed @throws OxbowError as `KeptFiles.push` */
  push(withRefs?: boolean): Promise<void>
  /** What nobody waits for: joins what has become many, and removes what a crash has left. */
  tidy(): Promise<void>
  close(): Promise<void>
}

interface KeptDeps {
  readonly folder: string
  readonly place: FilesPlace
  readonly repository: () => Promise<Repository>
  readonly large: LargeFiles
}

interface State {
  known: Known | null
  /** Packs of the user in the store; null: they were not counted yet. */
  packs: number | null
  /** Versions that were pushed since, without an answer: the store may have them. */
  readonly tried: string[]
}

export function createKeptVersions({ folder, place, repository, large }: KeptDeps): KeptVersions {
  const path = join(folder, 'oxbow-kept.json')
  let files: Promise<KeptFiles> | null = null
  const opened = (): Promise<KeptFiles> => (files ??= openKeptFiles(place))
  const state: State = { known: readKnown(path), packs: null, tried: [] }
  const note = (next: Known): void => {
    state.known = next
    // Not durable: what an older one says costs a comparison of all files, and no byte.
    writeFileSync(`${path}.new`, JSON.stringify(next), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
  const own = (): ReadonlyMap<string, KeptKind> => contentsOf(folder, large)
  const send = async ({ withRefs = false, onlyOwn = false }): Promise<void> => {
    const there = new Set(state.known?.names)
    const all = own()
    const unsent = [...all].filter(([name]) => !there.has(name))
    const main = await repository()
    const head = main.head() ?? ''
    if ((head === '' && !withRefs) || (unsent.length === 0 && state.known?.head === head && !withRefs && !onlyOwn)) return
    const sent = unsent.map(([name, kind]) => newPack({ folder, large }, name, kind))
    const how = { after: [state.known?.head ?? '', ...state.tried], only: onlyOwn ? [...all.keys()] : undefined }
    state.tried.push(head)
    const seq = await (await opened()).push(sent, { head, refs: main.refs() }, how)
    state.tried.length = 0
    note({ head, seq, names: [...all.keys()] })
    if (state.packs !== null) state.packs += sent.length
  }
  return {
    async newest() {
      const newest = await (await opened()).newest()
      if (newest === null) {
        // What this node gave to another store, or to this one before it lost all, is to be given again.
        state.known = null
        return { is: 'none' }
      }
      return newest.head === state.known?.head ? { is: 'same' } : { is: 'other', node: newest.node }
    },
    async fetch(all) {
      const from = await opened()
      const newest = await from.newest()
      if (newest === null) throw new OxbowError('not_found', 'The store of the cluster has no files of this user.', { hint: 'Try again.' })
      const before = own()
      await fetchPacks({ from, folder, large }, all ? 0 : (state.known?.seq ?? 0))
      ;(await repository()).reread()
      // What has come is in the store. What this node has made, and could not push, is still to be pushed.
      const come = [...own().keys()].filter((name) => !before.has(name))
      note({ head: state.known?.head ?? '', seq: newest.seq, names: [...(state.known?.names ?? []), ...come] })
      return { newest, base: state.known?.head ?? '' }
    },
    async took({ head, seq, refs }) {
      ;(await repository()).setRefs(refs)
      note({ head, seq, names: state.known?.names ?? [] })
    },
    push: async (withRefs = false) => send({ withRefs }),
    tidy: () => tidyUp({ folder, large, repository, opened, state, note, send }),
    close: async () => (await files)?.close(),
  }
}

interface Tidying extends Pick<KeptDeps, 'folder' | 'large' | 'repository'> {
  readonly opened: () => Promise<KeptFiles>
  readonly state: State
  readonly note: (next: Known) => void
  readonly send: (how: { readonly onlyOwn: boolean }) => Promise<void>
}

async function tidyUp({ folder, large, repository, opened, state, note, send }: Tidying): Promise<void> {
  const from = await opened()
  const count = async (): Promise<ReadonlySet<string>> => {
    const found = (await from.packs(0)).filter(({ kind }) => kind === 'pack').map(({ name }) => name)
    state.packs = found.length
    return new Set(found)
  }
  const { known } = state
  if (known === null) return
  if (state.packs === null) {
    await from.collect()
    await count()
  }
  const main = await repository()
  const before = [...contentsOf(folder, large).keys()]
  main.join()
  const after = [...contentsOf(folder, large).keys()]
  // What was joined is in the store in its parts.
  const [there, had] = [new Set(known.names), new Set(before)]
  const isSent = before.every((name) => there.has(name))
  if (isSent) note({ ...known, names: after.filter((name) => there.has(name) || !had.has(name)) })
  if (!isSent || state.packs! <= maxKeptPacks) return
  const kept = await count()
  main.join(1)
  note({
    ...state.known!,
    names: [...contentsOf(folder, large)].flatMap(([name, kind]) => (kind === 'large' || kept.has(name) ? [name] : [])),
  })
  await send({ onlyOwn: true })
  await count()
}

function contentsOf(folder: string, large: LargeFiles): ReadonlyMap<string, KeptKind> {
  return new Map([...packNames(folder).map((name) => [name, 'pack'] as const), ...large.names().map((name) => [name, 'large'] as const)])
}

function newPack({ folder, large }: Pick<KeptDeps, 'folder' | 'large'>, name: string, kind: KeptKind): NewPack {
  if (kind === 'large') return { name, kind, bytes: large.bytes(name), read: (offset, length) => large.read(name, offset, length) }
  const bundle = readBundle(folder, name)
  return { name, kind, bytes: bundle.length, read: (offset, length) => bundle.subarray(offset, offset + length) }
}

function readKnown(path: string): Known | null {
  try {
    const { head, seq, names } = JSON.parse(readFileSync(path, 'utf8')) as Partial<Known>
    if (typeof head !== 'string' || typeof seq !== 'number' || !Array.isArray(names)) return null
    return { head, seq, names: names.filter((name) => typeof name === 'string') }
  } catch {
    return null
  }
}

/** Many small packs are written as one. */
async function fetchPacks(
  { from, folder, large }: { readonly from: KeptFiles; readonly folder: string; readonly large: LargeFiles },
  since: number,
): Promise<void> {
  const there = new Set(large.names())
  const wanted = (await from.packs(since)).filter(({ name }) => !there.has(name))
  let objects: PackedObject[] = []
  let bytes = 0
  let pieces: Buffer[] = []
  await from.read(wanted, ({ name, kind }, { offset, content, last }) => {
    if (kind === 'large') {
      large.take({ offset, content, last })
      return
    }
    pieces.push(content)
    if (!last) return
    for (const object of objectsInBundle(name, Buffer.concat(pieces))) {
      objects.push(object)
      bytes += object.entry.length
    }
    pieces = []
    if (bytes < maxFetchedBytes) return
    addObjects(folder, objects)
    objects = []
    bytes = 0
  })
  addObjects(folder, objects)
}

/**
 * Keeps the versions of a cluster's guest in its store, in the thread of the versions: what a commit has added is pushed before the call that
 * changed files is answered, and a node that takes over fetches what it lacks. A file next to the repository says which version this node has
 * last known in the store, and which packs: written after the store has them, so that a kill in between only has them pushed again.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError, writeWhole } from '../../../base/index.ts'
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
export type NewestState = { readonly is: 'none' | 'same' } | { readonly is: 'other'; readonly node: string }

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

export function createKeptVersions({ folder, place, repository, large }: KeptDeps): KeptVersions {
  const path = join(folder, 'oxbow-kept.json')
  let files: Promise<KeptFiles> | null = null
  const opened = (): Promise<KeptFiles> => (files ??= openKeptFiles(place))
  let known = readKnown(path)
  let isTidy = false
  let pushes = 0
  const note = (next: Known): void => {
    known = next
    writeWhole(path, JSON.stringify(next))
  }
  const own = (): ReadonlyMap<string, KeptKind> =>
    new Map([...packNames(folder).map((name) => [name, 'pack'] as const), ...large.names().map((name) => [name, 'large'] as const)])
  const newPack = (name: string, kind: KeptKind): NewPack => {
    if (kind === 'large') return { name, kind, bytes: large.bytes(name), read: (offset, length) => large.read(name, offset, length) }
    const bundle = readBundle(folder, name)
    return { name, kind, bytes: bundle.length, read: (offset, length) => bundle.subarray(offset, offset + length) }
  }
  const send = async ({ withRefs = false, onlyOwn = false }): Promise<void> => {
    const there = new Set(known?.names)
    const all = own()
    const unsent = [...all].filter(([name]) => !there.has(name))
    const main = await repository()
    const head = main.head() ?? ''
    if ((head === '' && !withRefs) || (unsent.length === 0 && known?.head === head && !withRefs && !onlyOwn)) return
    const packs = unsent.map(([name, kind]) => newPack(name, kind))
    const seq = await (await opened()).push(packs, { head, refs: main.refs() }, onlyOwn ? [...all.keys()] : undefined)
    note({ head, seq, names: [...all.keys()] })
    pushes += packs.length
  }
  return {
    async newest() {
      const newest = await (await opened()).newest()
      if (newest === null) return { is: 'none' }
      return newest.head === known?.head ? { is: 'same' } : { is: 'other', node: newest.node }
    },
    async fetch(all) {
      const from = await opened()
      const newest = await from.newest()
      if (newest === null) throw new OxbowError('not_found', 'The store of the cluster has no files of this user.', { hint: 'Try again.' })
      const before = own()
      await fetchPacks({ from, folder, large }, all ? 0 : (known?.seq ?? 0))
      ;(await repository()).reread()
      // What has come is in the store. What this node has made, and could not push, is still to be pushed.
      const come = [...own().keys()].filter((name) => !before.has(name))
      note({ head: known?.head ?? '', seq: newest.seq, names: [...(known?.names ?? []), ...come] })
      return { newest, base: known?.head ?? '' }
    },
    async took({ head, seq, refs }) {
      ;(await repository()).setRefs(refs)
      note({ head, seq, names: known?.names ?? [] })
    },
    push: async (withRefs = false) => send({ withRefs }),
    async tidy() {
      if (known === null) return
      const from = await opened()
      if (!isTidy) {
        isTidy = true
        await from.collect()
      }
      const main = await repository()
      const before = new Set(own().keys())
      main.join()
      const after = own()
      // What was joined is there in its parts.
      const joined = [...after.keys()].filter((name) => !before.has(name))
      if ([...before].every((name) => known!.names.includes(name)))
        note({ ...known, names: [...known.names, ...joined].filter((name) => after.has(name)) })
      if (pushes < maxKeptPacks) return
      pushes = 0
      const kept = new Set((await from.packs(0)).map(({ name }) => name))
      if (kept.size <= maxKeptPacks) return
      main.join(1)
      note({ ...known, names: [...own().keys()].filter((name) => kept.has(name)) })
      await send({ onlyOwn: true })
    },
    close: async () => (await files)?.close(),
  }
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
    if (kind === 'large') return void large.take({ offset, content, last })
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

/**
 * The repository of the versions, bare and in a folder that agents do not see: its objects, its branch and its tags. Git itself can read
 * it. Objects are read by isomorphic-git and checked against their ids, because the folder may have been tampered with. One thread uses it
 * at a time, and a kill at any moment leaves the last commit readable: objects are durable before the branch names them.
 */
import * as fs from 'node:fs'
import { join, relative } from 'node:path'
import git from 'isomorphic-git'
import { createRecentMap, OxbowError, writeWhole } from '../base/index.ts'
import { maxCachedBlobBytes, maxCachedTreeEntries, maxLogScan, maxPendingPackBytes } from './limits.ts'
import { joinPacks, type ObjectKind, objectId, type PackedObject, packObject, writePack } from './pack-file.ts'
import { createPackReader } from './pack-reader.ts'
import { decodeTree, type TreeEntry } from './work-tree.ts'

export interface CommitFacts {
  readonly commit: string
  readonly tree: string
  readonly parents: readonly string[]
  readonly author: string
  /** Unix milliseconds, in whole seconds. */
  readonly at: number
  readonly subject: string
  /** Trailers of the message, by name in lower case. */
  readonly trailers: Readonly<Record<string, string>>
}

/** A commit to be made. `at` is in Unix milliseconds. */
export interface NewCommit {
  readonly tree: string
  readonly parents: readonly string[]
  readonly author: string
  readonly at: number
  readonly subject: string
  readonly trailers: Readonly<Record<string, string>>
}

export interface Repository {
  /** The newest commit; null without commits. @param branch of files; '': the workspace */
  head(branch?: string): string | null
  commitFacts(oid: string): Promise<CommitFacts>
  tree(oid: string): Promise<readonly TreeEntry[]>
  /** @throws OxbowError `tool_failed` if the object is missing or damaged */
  blob(oid: string): Promise<Buffer>
  /** What is read from now on comes from the disk. */
  reread(): void
  /** Keeps an object for the next commit or tag. @returns its id */
  add(kind: ObjectKind, content: Uint8Array): string
  /** Drops the objects that were added since the last commit; those that were written already stay, and nothing names them. */
  drop(): void
  /** Writes a commit with all added objects, and points the branch to it. @returns its id */
  commit(commit: NewCommit, branch?: string): string
  /** Begins a branch of files with a commit that there is. */
  point(branch: string, commit: string): void
  /** Joins small packs, where there are more than `most`. */
  join(most?: number): void
  /** The names of versions besides the workspace's newest, by their paths: tags and branches of files. */
  refs(): Readonly<Record<string, string>>
  /** Sets these; branches of files that are not among them are forgotten. */
  setRefs(refs: Readonly<Record<string, string>>): void
  /** Forgets a branch of files. Its objects stay, and nothing names them. */
  remove(branch: string): void
  /** @throws OxbowError `bad_input` if the name is invalid or taken */
  tag(name: string, commit: string, message: string, author: string, at: number): void
  /** Tags, and the commits that they name. */
  tags(): Promise<readonly { readonly name: string; readonly commit: string; readonly text: string }[]>
  /** @param name a commit, the first characters of one, a tag, or `HEAD` @throws OxbowError `not_found` */
  resolve(name: string): Promise<string>
}

/** @param branch of files; '': the workspace */
function refOf(branch: string): string {
  return branch === '' ? 'refs/heads/main' : `refs/heads/files/${branch}`
}

/** @param joins false: packs are joined by `join` alone, and not with a commit */
export async function openRepository(folder: string, { joins = true }: { readonly joins?: boolean } = {}): Promise<Repository> {
  const packs = join(folder, 'objects', 'pack')
  await initialize(folder)
  fs.mkdirSync(packs, { recursive: true })
  removeDrafts(folder)
  // For git, each file below `refs` is a ref: a draft that a kill left there would be a broken one.
  const writeRef = (path: string, oid: string): void => writeWhole(path, `${oid}\n`, 0o600, folder)
  const { add, drop, flush } = createPending(packs)
  const { read, expand, tags, forget } = createReader(folder)
  const head = (branch = ''): string | null => readRef(join(folder, refOf(branch)))
  /** A log or an undo goes through thousands of commits, and a pack is slow to read. */
  const known = new Map<string, CommitFacts>()
  const { tree, blob, forgetRead } = createKeptReads(read)
  const note = (oid: string, text: string): CommitFacts => {
    const facts = decodeCommit(oid, text)
    if (known.size >= maxLogScan) known.clear()
    known.set(oid, facts)
    return facts
  }
  const commitFacts = async (oid: string): Promise<CommitFacts> => known.get(oid) ?? note(oid, (await read(oid, 'commit')).toString())
  return {
    head,
    commitFacts,
    tree,
    blob,
    reread() {
      known.clear()
      forgetRead()
      forget()
    },
    add,
    drop,
    commit(commit, branch = '') {
      const text = encodeCommit(commit)
      const oid = add('commit', Buffer.from(text))
      note(oid, text)
      flush()
      if (branch !== '') fs.mkdirSync(join(folder, 'refs/heads/files'), { recursive: true })
      writeRef(join(folder, refOf(branch)), oid)
      if (joins && joinPacks(packs)) forget()
      return oid
    },
    join(most) {
      if (joinPacks(packs, most)) forget()
    },
    refs: () => Object.fromEntries(otherRefs(folder).map((path) => [path, readRef(join(folder, path))!])),
    setRefs: (refs) => setOtherRefs(folder, refs, writeRef),
    point(branch, commit) {
      fs.mkdirSync(join(folder, 'refs/heads/files'), { recursive: true })
      writeRef(join(folder, refOf(branch)), commit)
    },
    remove: (branch) => fs.rmSync(join(folder, refOf(branch)), { force: true }),
    tag(name, commit, message, author, at) {
      const path = pathOfTag(folder, name)
      const oid = add('tag', Buffer.from(`object ${commit}\ntype commit\ntag ${name}\ntagger ${person(author, at)}\n\n${message}\n`))
      flush()
      writeRef(path, oid)
    },
    tags,
    async resolve(name) {
      const tagged = (await tags()).find((tag) => tag.name === name)
      const oid = tagged?.commit ?? (name === 'HEAD' ? head() : await expand(name))
      if (oid === null) throw missing(name)
      return oid
    },
  }
}

/** Reads folders and contents; those that were asked for lately come from memory. */
function createKeptReads(read: Reader['read']): Pick<Repository, 'tree' | 'blob'> & { readonly forgetRead: () => void } {
  const trees = keptOf(maxCachedTreeEntries, async (oid) => decodeTree(await read(oid, 'tree')))
  const blobs = keptOf(maxCachedBlobBytes, (oid) => read(oid, 'blob'))
  return {
    tree: trees.read,
    blob: blobs.read,
    forgetRead() {
      trees.clear()
      blobs.clear()
    },
  }
}

/** @param most of the lengths of all together; what is more than a small part of it is read each time */
function keptOf<Value extends { readonly length: number }>(most: number, read: (oid: string) => Promise<Value>) {
  const kept = createRecentMap<string, Value>(most, ({ length }) => length)
  return {
    clear: kept.clear,
    async read(oid: string): Promise<Value> {
      const known = kept.get(oid)
      if (known !== undefined) return known
      const value = await read(oid)
      if (value.length <= most / 16) kept.put(oid, value)
      return value
    },
  }
}

/** Objects that are not written yet. */
function createPending(packs: string): Pick<Repository, 'add' | 'drop'> & { readonly flush: () => void } {
  let added = new Map<string, PackedObject>()
  let bytes = 0
  const drop = (): void => {
    added = new Map()
    bytes = 0
  }
  const flush = (): void => {
    if (added.size > 0) writePack(packs, [...added.values()])
    drop()
  }
  return {
    drop,
    flush,
    add(kind, content) {
      const oid = objectId(kind, content)
      if (added.has(oid)) return oid
      const packed = packObject(kind, content, oid)
      added.set(oid, packed)
      if ((bytes += packed.entry.length) > maxPendingPackBytes) flush()
      return oid
    },
  }
}

interface Reader extends Pick<Repository, 'tags'> {
  /** @throws OxbowError `tool_failed` if the object is missing, damaged or of another kind */
  read(oid: string, kind: ObjectKind): Promise<Buffer>
  /** @returns the commit that begins with these characters @throws OxbowError `not_found` */
  expand(prefix: string): Promise<string>
  /** Packs were replaced. */
  forget(): void
}

function createReader(folder: string): Reader {
  let cache = {}
  const packs = createPackReader(join(folder, 'objects', 'pack'))
  const place = (): { readonly fs: typeof fs; readonly gitdir: string; readonly cache: object } => ({ fs, gitdir: folder, cache })
  const readAny = async (oid: string): Promise<{ readonly kind: string; readonly content: Buffer }> => {
    const found = packs.read(oid)
    if (found !== null && objectId(found.kind, found.content) === oid) return found
    const { type, object } = await git.readObject({ ...place(), oid, format: 'content' }).catch((cause: unknown) => {
      throw damaged(oid, cause)
    })
    return { kind: type, content: Buffer.from(object as Uint8Array) }
  }
  const read: Reader['read'] = async (oid, kind) => {
    const found = await readAny(oid)
    if (found.kind !== kind || objectId(kind, found.content) !== oid) throw damaged(oid)
    return found.content
  }
  return {
    read,
    forget() {
      cache = {}
      packs.forget()
    },
    async expand(prefix) {
      if (!/^[0-9a-f]{4,40}$/.test(prefix)) throw missing(prefix)
      const oid = await git.expandOid({ ...place(), oid: prefix }).catch(() => {
        throw missing(prefix)
      })
      if ((await readAny(oid)).kind !== 'commit') throw missing(prefix)
      return oid
    },
    async tags() {
      const names = await git.listTags(place())
      return Promise.all(
        names.map(async (name) => {
          const oid = await git.resolveRef({ ...place(), ref: `refs/tags/${name}` })
          const text = (await read(oid, 'tag')).toString()
          const target = /^object ([0-9a-f]{40})$/m.exec(text)?.[1]
          if (target === undefined) throw damaged(oid)
          return { name, commit: target, text }
        }),
      )
    },
  }
}

/** Creates the repository, or completes one whose creation was killed. */
async function initialize(folder: string): Promise<void> {
  const head = join(folder, 'HEAD')
  if (fs.existsSync(head) && fs.statSync(head).size > 0) return
  // isomorphic-git writes no HEAD if there is a config.
  fs.rmSync(join(folder, 'config'), { force: true })
  await git.init({ fs, gitdir: folder, bare: true, defaultBranch: 'main' })
}

/** Drafts of `writeWhole`; a tag's name may end with `.new` too. */
const draftName = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.new$/

/** Removes what a kill left between writing and renaming. Earlier releases kept drafts of refs next to the refs. */
function removeDrafts(folder: string): void {
  const packs = join(folder, 'objects', 'pack')
  const refs = fs.readdirSync(join(folder, 'refs'), { recursive: true, encoding: 'utf8' }).map((name) => join('refs', name))
  const drafts = [...fs.readdirSync(folder), ...refs].filter((name) => draftName.test(name)).map((name) => join(folder, name))
  const packDrafts = fs.readdirSync(packs).filter((name) => name.endsWith('.new'))
  for (const path of [...drafts, ...packDrafts.map((name) => join(packs, name))]) fs.rmSync(path, { force: true })
}

function readRef(path: string): string | null {
  if (!fs.existsSync(path)) return null
  const oid = fs.readFileSync(path, 'utf8').trim()
  if (!/^[0-9a-f]{40}$/.test(oid)) throw damaged(path)
  return oid
}

/** @throws OxbowError `bad_input` if the name is invalid or taken */
function pathOfTag(folder: string, name: string): string {
  const path = join(folder, 'refs', 'tags', name)
  if (!isTagName(name))
    throw refused(
      `${JSON.stringify(name)} cannot be the name of a tag.`,
      'Use letters, digits, dots, dashes and slashes, and no name that could be a version.',
    )
  if (fs.existsSync(path)) throw refused(`There is already a tag ${name}.`, 'Choose another name; oxbow log shows the tags.')
  return path
}

/** Tags, and branches of files. */
function otherRefs(folder: string): readonly string[] {
  const found = fs.readdirSync(join(folder, 'refs'), { recursive: true, withFileTypes: true })
  const paths = found.flatMap((entry) => (entry.isFile() ? [relative(folder, join(entry.parentPath, entry.name))] : []))
  return paths.filter(isOtherRef)
}

function setOtherRefs(folder: string, refs: Readonly<Record<string, string>>, write: (path: string, oid: string) => void): void {
  // A tag is for good; a branch of files that is not named has ended.
  for (const path of otherRefs(folder))
    if (!Object.hasOwn(refs, path) && !path.startsWith('refs/tags/')) fs.rmSync(join(folder, path), { force: true })
  for (const [path, oid] of Object.entries(refs)) {
    if (!isOtherRef(path)) continue
    fs.mkdirSync(join(folder, path, '..'), { recursive: true })
    write(join(folder, path), oid)
  }
}

/** What comes from elsewhere must not lead out of the folder. */
function isOtherRef(path: string): boolean {
  const [, name = ''] = /^refs\/(?:tags|heads\/files)\/(.+)$/.exec(path) ?? []
  return /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/i.test(name) && !/\.\.|\.lock(?:\/|$)/.test(name)
}

/** As git-check-ref-format(1), and stricter. */
function isTagName(name: string): boolean {
  return (
    name !== 'HEAD' &&
    // Such a name would stand in the place of a version.
    !/^[0-9a-f]{4,40}$/i.test(name) &&
    !/^refs\//i.test(name) &&
    name.length <= 100 &&
    /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/i.test(name) &&
    !/\.\.|\.lock(?:\/|$)|\.(?:\/|$)/.test(name)
  )
}

function person(name: string, at: number): string {
  const plain = name.replace(/[<>\p{Cc}]/gu, '').trim() || 'unknown'
  return `${plain} <${plain.replace(/[^\w.-]/g, '-')}@oxbow.invalid> ${Math.floor(at / 1000)} +0000`
}

function encodeCommit({ tree, parents, author, at, subject, trailers }: NewCommit): string {
  const by = person(author, at)
  const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${oneLine(value)}`)
  return [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${by}`,
    `committer ${by}`,
    '',
    oneLine(subject) || 'Change',
    ...(lines.length === 0 ? [] : ['', ...lines]),
    '',
  ].join('\n')
}

function decodeCommit(oid: string, text: string): CommitFacts {
  const [head = '', ...message] = text.split('\n\n')
  const field = (name: string): string[] => [...head.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map(([, value]) => value!)
  const [, author = '', seconds = '0'] = /^(.*) <.*> (\d+) /.exec(field('author')[0] ?? '') ?? []
  const trailers = message.slice(1).flatMap((part) => [...part.matchAll(/^([A-Za-z-]+): (.*)$/gm)])
  return {
    commit: oid,
    tree: field('tree')[0] ?? '',
    parents: field('parent'),
    author,
    at: Number(seconds) * 1000,
    subject: (message[0] ?? '').split('\n')[0]!,
    trailers: Object.fromEntries(trailers.map(([, name, value]) => [name!.toLowerCase(), value!])),
  }
}

function damaged(what: string, cause?: unknown): OxbowError {
  return new OxbowError('tool_failed', `The versions are damaged: ${what} is missing or not what was written.`, {
    hint: 'Run `git fsck` in internal/versions of the workspace. Moving that folder away starts new versions.',
    ...(cause !== undefined && { cause }),
  })
}

function missing(name: string): OxbowError {
  return new OxbowError('not_found', `There is no version ${JSON.stringify(name.slice(0, 100))}.`, {
    hint: 'oxbow log lists the versions.',
  })
}

function refused(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}

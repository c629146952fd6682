/** What the versions say about the past: the log, the differences between commits, files as they were, and archives that bring them back. */
import { createTwoFilesPatch } from 'diff'
import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { posix } from 'node:path'
import { nearestNames, OxbowError } from '../../../base/index.ts'
import { hashDigits } from '../../../protocol/index.ts'
import { labelsOfCommit, labelsOfTag } from './message-labels.ts'
import { fileName } from './checkpoint.ts'
import { type LargeFiles, type CommitFacts, type Repository, folderMode, maxLogScan, type TreeEntry } from '../../../repository/index.ts'
import { maxDiffBytes, maxDiffedBytes, maxNamesCompared, maxShownBytes } from '../limits.ts'
import type { Difference, FileChange, LoggedCommit, ShownFile } from '../version-schemas.ts'

/** @returns the first of the commits that are one version with this one: of the same turn, with nothing between them */
export async function firstOf(repository: Repository, oid: string, tagged: ReadonlySet<string>): Promise<CommitFacts> {
  let first = await repository.commitFacts(oid)
  for (let scanned = 0; scanned < maxLogScan; scanned += 1) {
    const [parent, ...others] = first.parents
    const turn = first.trailers['oxbow-turn']
    if (parent === undefined || others.length > 0 || turn === undefined || tagged.has(parent)) break
    const before = await repository.commitFacts(parent)
    if (before.trailers['oxbow-turn'] !== turn || before.subject !== first.subject) break
    first = before
  }
  return first
}

export async function taggedIn(repository: Repository): Promise<ReadonlySet<string>> {
  return new Set((await repository.tags()).map(({ commit }) => commit))
}

/** @param name as for `Repository.resolve`; `~N` counts versions */
export async function resolveVersion(repository: Repository, name: string): Promise<string> {
  const [, base = name, steps = '0'] = /^([^~]+)~(\d{1,6})$/.exec(name) ?? []
  let oid: string | undefined = await repository.resolve(base)
  const tagged = steps === '0' ? new Set<string>() : await taggedIn(repository)
  for (let left = Number(steps); left > 0 && oid !== undefined; left -= 1) oid = (await firstOf(repository, oid, tagged)).parents[0]
  // `resolve` throws the error for an unknown name.
  return oid ?? repository.resolve(name)
}

/** The places where a path has another content in two trees; null: there is nothing. */
interface Pair {
  readonly path: string
  readonly before: TreeEntry | null
  readonly after: TreeEntry | null
}

interface LogQuestion {
  /** Of a file or folder, '' for all. */
  readonly path: string
  readonly limit: number
  /** Every commit; absent: those that a turn has made one after another are one version. */
  readonly each?: boolean
}

export async function listLog(repository: Repository, from: string, { path, limit, each }: LogQuestion): Promise<readonly LoggedCommit[]> {
  const tags = await repository.tags()
  const tagged = await taggedIn(repository)
  const found: LoggedCommit[] = []
  let oid: string | undefined = from
  for (let scanned = 0; oid !== undefined && found.length < limit && scanned < maxLogScan; scanned += 1) {
    const { tree, ...facts }: CommitFacts = await repository.commitFacts(oid)
    const { parents }: Pick<CommitFacts, 'parents'> = each === true ? facts : await firstOf(repository, oid, tagged)
    const parent: string | undefined = parents[0]
    if (path === '' || (await differs(repository, tree, parent, path))) {
      const own = tags.filter(({ commit }) => commit === oid)
      const labels = [labelsOfCommit(facts.trailers), ...own.map(({ text }) => labelsOfTag(text))]
      found.push({
        ...facts,
        parents,
        tags: own.map(({ name }) => name),
        labels: labels.includes(null) ? null : labels.flatMap((one) => one ?? []),
      })
    }
    oid = parent
  }
  return found
}

async function differs(repository: Repository, tree: string, parent: string | undefined, path: string): Promise<boolean> {
  const now = await entryAt(repository, tree, path)
  const before = parent === undefined ? null : await entryAt(repository, (await repository.commitFacts(parent)).tree, path)
  return now?.oid !== before?.oid || now?.mode !== before?.mode
}

/** @returns null if the tree has nothing of this path */
export async function entryAt(repository: Repository, tree: string, path: string): Promise<TreeEntry | null> {
  let entry: TreeEntry = { name: '', mode: folderMode, oid: tree }
  for (const name of path === '' ? [] : path.split('/')) {
    const next: TreeEntry | undefined =
      entry.mode === folderMode ? (await repository.tree(entry.oid)).find((one) => one.name === name) : undefined
    if (next === undefined) return null
    entry = next
  }
  return entry
}

export async function rootOf(repository: Repository, commit: string | null, path: string): Promise<TreeEntry | null> {
  return commit === null ? null : entryAt(repository, (await repository.commitFacts(commit)).tree, path)
}

/** @returns the file of a version whose name is most like the last part of a path; '' if none is like it */
export async function nearestFile(repository: Repository, commit: string, path: string): Promise<string> {
  const wanted = posix.basename(path).toLowerCase()
  const byName = new Map<string, string>()
  let looked = 0
  const { tree } = await repository.commitFacts(commit)
  for await (const found of pairs(repository, null, { name: '', mode: folderMode, oid: tree }, '')) {
    if ((looked += 1) > maxNamesCompared) break
    if (!found.path.startsWith(path.slice(0, path.indexOf('/') + 1))) continue
    const name = posix.basename(found.path).toLowerCase()
    if (!byName.has(name)) byName.set(name, found.path)
  }
  const [nearest = ''] = nearestNames(wanted, byName.keys(), Math.ceil(wanted.length / maxEditedPart))
  return byName.get(nearest) ?? ''
}

/** One letter in this many may differ; a name with more differences is another name. */
const maxEditedPart = 4

/** Files that differ, in the order of their names; equal folders are not opened. */
export async function* pairs(
  repository: Repository,
  before: TreeEntry | null,
  after: TreeEntry | null,
  path: string,
): AsyncGenerator<Pair> {
  if (before?.oid === after?.oid && before?.mode === after?.mode) return
  const isTree = (entry: TreeEntry | null): boolean => entry?.mode === folderMode
  const fileBefore = isTree(before) ? null : before
  const fileAfter = isTree(after) ? null : after
  if (fileBefore !== null || fileAfter !== null) yield { path, before: fileBefore, after: fileAfter }
  if (!isTree(before) && !isTree(after)) return
  const [old, now] = await Promise.all(
    [before, after].map(async (entry) => new Map((isTree(entry) ? await repository.tree(entry!.oid) : []).map((one) => [one.name, one]))),
  )
  for (const name of [...new Set([...old!.keys(), ...now!.keys()])].sort()) {
    yield* pairs(repository, old!.get(name) ?? null, now!.get(name) ?? null, path === '' ? name : `${path}/${name}`)
  }
}

export interface Comparison {
  /** Null: an empty tree. */
  readonly from: string | null
  readonly to: string
  readonly path: string
  readonly text: boolean
  /** Files to list. */
  readonly limit: number
}

/** @returns the files that differ between two versions, at most `limit` of them, and their diff where `text` asks for it */
export async function compare(repository: Repository, { from, to, path, text, limit }: Comparison): Promise<Difference> {
  const changes: FileChange[] = []
  const parts: string[] = []
  let total = 0
  let bytes = 0
  for await (const pair of pairs(repository, await rootOf(repository, from, path), await rootOf(repository, to, path), path)) {
    total += 1
    if (changes.length < limit) changes.push({ path: pair.path, change: changeOf(pair) })
    if (!text || bytes > maxDiffBytes) continue
    const part = await diffOf(repository, pair)
    if ((bytes += Buffer.byteLength(part)) <= maxDiffBytes) parts.push(part)
    else parts.push('(The rest is not shown: the diff is too long. Name a path.)\n')
  }
  return { from: from ?? '', to, changes, total, text: parts.join('') }
}

function changeOf({ before, after }: Pair): FileChange['change'] {
  return before === null ? 'added' : after === null ? 'deleted' : 'changed'
}

async function diffOf(repository: Repository, { path, before, after }: Pair): Promise<string> {
  const [old, now] = await Promise.all(
    [before, after].map(async (entry) => (entry === null ? Buffer.alloc(0) : repository.blob(entry.oid))),
  )
  const shown = quotedName(path)
  const names = [before === null ? '/dev/null' : `a/${path}`, after === null ? '/dev/null' : `b/${path}`] as const
  const mode = before !== null && after !== null && before.mode !== after.mode ? `mode ${before.mode} → ${after.mode}: ${shown}\n` : ''
  if (old!.equals(now!)) return mode === '' ? `--- ${names[0]}\n+++ ${names[1]}\n` : mode
  if (![old!, now!].every((content) => content.length <= maxDiffedBytes && isText(content))) return `${mode}Binary or large: ${shown}\n`
  return (
    mode +
    createTwoFilesPatch(names[0], names[1], old!.toString(), now!.toString(), undefined, undefined, { context: 3 }).replace(/^=+\n/, '')
  )
}

/** As the writer of the diff does: a name with a line break would look like lines of it. */
function quotedName(path: string): string {
  return /\p{Cc}/u.test(path) ? JSON.stringify(path) : path
}

export function isText(content: Buffer): boolean {
  return isUtf8(content) && !content.includes(0)
}

/** @throws OxbowError `not_found`, `not_text` */
export async function showFile(repository: Repository, large: LargeFiles, commit: string, path: string): Promise<ShownFile> {
  const entry = await rootOf(repository, commit, path)
  if (entry === null || entry.mode === folderMode) {
    throw new OxbowError('not_found', `Version ${commit.slice(0, 7)} has no file ${path}.`, {
      hint: 'oxbow log PATH lists the versions of a file.',
    })
  }
  const content = await repository.blob(entry.oid)
  if (!isText(content) || large.pointerOf(content) !== null)
    throw new OxbowError('not_text', `${path} is not a text file.`, { hint: 'Restore it to have the file itself.' })
  // Whole characters only.
  const text = content
    .subarray(0, maxShownBytes)
    .toString()
    .replace(/\uFFFD$/, '')
  return { bytes: content.length, text, truncated: content.length > maxShownBytes }
}

/** A file whose content is next to the repository. */
export interface LargeFile {
  readonly path: string
  readonly sha256: string
  readonly bytes: number
}

/** @returns the files that are not in the repository itself @throws OxbowError `not_found` where there is no version of one */
export async function largeIn(
  repository: Repository,
  large: LargeFiles,
  commit: string,
  paths: readonly string[],
): Promise<readonly LargeFile[]> {
  const { tree } = await repository.commitFacts(commit)
  const found: LargeFile[] = []
  for (const path of paths) {
    const entry = await entryAt(repository, tree, path)
    const pointer = entry === null || entry.mode === folderMode ? null : large.pointerOf(await repository.blob(entry.oid))
    if (pointer?.kind === 'kept') found.push({ path, ...pointer })
    if (pointer?.kind !== 'none') continue
    throw new OxbowError('not_found', `Version ${commit.slice(0, 7)} has no content of ${path}: it was too large, or could not be read.`, {
      hint: 'Restore the other files by their paths.',
    })
  }
  return found
}

/** @returns the hash of each file as hands shorten it, or of where a link leads; '' where there is no file */
export async function hashesIn(
  repository: Repository,
  large: LargeFiles,
  commit: string,
  paths: readonly string[],
): Promise<readonly string[]> {
  const { tree } = await repository.commitFacts(commit)
  const found: string[] = []
  for (const path of paths) {
    const entry = await entryAt(repository, tree, path)
    const content = entry === null || entry.mode === folderMode ? null : await repository.blob(entry.oid)
    const pointer = content === null ? null : large.pointerOf(content)
    const sha256 = content === null ? '' : pointer?.kind === 'kept' ? pointer.sha256 : hash('sha256', content)
    found.push(sha256.slice(0, hashDigits))
  }
  return found
}

/** A piece of an archive that brings files back, and how many of them are in it. */
export interface ArchivePiece {
  readonly content: Uint8Array
  readonly files: number
}

/**
 * A piece of a tar archive, of as many of the files as fit `maxBytes`, at least one; pieces make an archive one after another.
 * @param base folder of the tree from which the names in the archive count
 */
export async function archivePiece(
  repository: Repository,
  commit: string,
  base: string,
  paths: readonly string[],
  maxBytes: number,
): Promise<ArchivePiece> {
  const { tree } = await repository.commitFacts(commit)
  const blocks: Buffer[] = []
  let bytes = 0
  let files = 0
  for (const path of paths) {
    if (bytes >= maxBytes) break
    const entry = await entryAt(repository, tree, path)
    if (entry === null)
      throw new OxbowError('not_found', `Version ${commit.slice(0, 7)} has no file ${path}.`, { hint: 'Preview the restore again.' })
    const block = tarEntry(fileName(path.slice(base.length + 1)), entry.mode, await repository.blob(entry.oid))
    blocks.push(block)
    bytes += block.length
    files += 1
  }
  return { content: Buffer.concat(blocks), files }
}

const blockBytes = 512

/** As POSIX pax: the names are in extended headers, which have no limit of their own. */
function tarEntry(name: string, mode: string, content: Buffer): Buffer {
  const isLink = mode === '120000'
  const names = record('path', name) + (isLink ? record('linkpath', content.toString()) : '')
  const extended = Buffer.from(names)
  const data = isLink ? Buffer.alloc(0) : content
  return Buffer.concat([
    tarHeader('x', 'names', 0o644, extended.length),
    padded(extended),
    tarHeader(isLink ? '2' : '0', 'file', mode === '100755' ? 0o755 : 0o644, data.length),
    padded(data),
  ])
}

/** `LENGTH NAME=VALUE\n`, where the length counts itself. */
function record(name: string, value: string): string {
  const rest = ` ${name}=${value}\n`
  const bytes = Buffer.byteLength(rest)
  let length = bytes + String(bytes).length
  if (String(length).length > String(bytes).length) length = bytes + String(length).length
  return `${length}${rest}`
}

function tarHeader(flag: string, name: string, mode: number, bytes: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  header.write(name, 0)
  header.write(`${mode.toString(8).padStart(7, '0')}\0${'0'.repeat(7)}\0${'0'.repeat(7)}\0`, 100)
  header.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124)
  header.write(
    `${Math.floor(Date.now() / 1000)
      .toString(8)
      .padStart(11, '0')}\0        ${flag}`,
    136,
  )
  header.write('ustar\x0000', 257)
  const sum = header.reduce((all, byte) => all + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

function padded(content: Buffer): Buffer {
  const rest = content.length % blockBytes
  return rest === 0 ? content : Buffer.concat([content, Buffer.alloc(blockBytes - rest)])
}

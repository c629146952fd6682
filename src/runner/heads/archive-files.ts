/**
 * Archives: parts of the journal as files, outside the guest's reach. Each is an export (docs/audit.md), compressed with zstd: its records with their
 * contents, and an end that is signed. Where the store is encrypted, so is the file (`archive-seal.ts`). A file has its name only when it is whole and on
 * the disk; nothing is taken from the journal before.
 */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, createWriteStream, existsSync, openSync, readSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import { isEncrypted, isObject, OxbowError } from '../../base/index.ts'
import type { ArchiveFile, ArchivePage } from '../../config/index.ts'
import { type JournalRecord, parseHead } from '../../protocol/index.ts'
import { hostFiles, makeFolder, type Workspace } from '../home.ts'
import { archiveKey, type KeyPlace, makeArchiveKey } from '../master-keys.ts'
import { isSealed, opened, sealed } from './archive-seal.ts'
import { readSeal, signExport } from './head-signing.ts'

/** Characters of bodies in one page: a few frames of what a guest and its runner say to each other. */
const maxPageChars: number = 8 * 1024 * 1024
/** Bodies in one page: as many as the store takes at once. */
const maxPageBodies = 500

export interface ArchiveFiles {
  /** See `HostPort.archive`. */
  make(after: number, upto: number): Promise<ArchiveFile>
  /** See `HostPort.archived`. */
  read(file: string, after: number): Promise<ArchivePage>
}

interface ArchiveDeps {
  /** Of the key that seals archives of an encrypted store. */
  readonly place: KeyPlace
  readonly workspace: Workspace
  /** Lines of an export, without its end. */
  readonly lines: (range: { readonly after: number; readonly upto: number }) => AsyncIterable<unknown>
}

function archiveFolder({ root }: Pick<Workspace, 'root'>): string {
  return join(root, 'archive')
}

export function createArchiveFiles(deps: ArchiveDeps): ArchiveFiles {
  /** Where the last page has ended: a file is read once, not anew for each page. */
  let held: { readonly path: string; readonly at: number; readonly records: AsyncGenerator<ArchivedRecord> } | null = null
  return {
    make: (after, upto) => makeArchive(deps, after, upto),
    async read(file, after) {
      const path = join(archiveFolder(deps.workspace), file)
      const isNext = held?.path === path && held.at === after
      if (!isNext) await held?.records.return(undefined)
      const records = isNext ? held!.records : recordsIn(deps.place, path)
      held = null
      const page = await readPage(records, after)
      if (page.next !== null) held = { path, at: page.next, records }
      return page
    },
  }
}

async function makeArchive({ place, workspace, lines }: ArchiveDeps, after: number, upto: number): Promise<ArchiveFile> {
  const { home, config } = place
  const database = join(workspace.root, 'internal', 'oxbow.db')
  // Also where only `oxbow store encrypt` was typed, and the configuration does not say so.
  const isSecret = config.store.encrypt || (existsSync(database) && isEncrypted(database))
  const key = isSecret ? makeArchiveKey(place) : null
  const folder = archiveFolder(workspace)
  hostFiles(() => makeFolder(folder))
  const file = `journal-${after + 1}-${upto}.jsonl.zst${key === null ? '' : '.sealed'}`
  const draft = join(folder, `${file}.part`)
  const facts = { seq: 0, hash: '', records: -1 }
  const whole = readSeal(home, workspace.user)
  const firstBehind = whole.lines.findIndex((line) => (parseHead(line)?.seq ?? 0) > upto)
  // What was signed behind it is no part of it.
  const seal = firstBehind === -1 ? whole : { ...whole, lines: whole.lines.slice(0, firstBehind) }
  async function* texts(): AsyncGenerator<string> {
    for await (const line of lines({ after, upto })) {
      const {
        after: from,
        seq,
        hash,
      } = line as Partial<JournalRecord> & { readonly after?: { readonly seq: number; readonly hash: string } }
      Object.assign(facts, from ?? { seq, hash })
      facts.records += 1
      yield `${JSON.stringify(line)}\n`
    }
    const end = { after, seq: facts.seq, hash: facts.hash, records: facts.records, at: Date.now() }
    yield `${JSON.stringify(signExport(home, workspace.user, seal, end))}\n`
  }
  try {
    const sealing = (plain: AsyncIterable<Buffer>): AsyncIterable<Buffer> => (key === null ? plain : sealed(key, plain))
    await pipeline(texts, createZstdCompress(), sealing, createWriteStream(draft, { mode: 0o600 }))
    if (facts.seq !== upto) throw new OxbowError('not_found', `There is no record ${upto}.`, { hint: 'Run it again.' })
    await synced(draft)
    const sums = await checked(place, draft, facts)
    await rename(draft, join(folder, file))
    await synced(folder)
    return { file, ...sums, after, upto, hash: facts.hash, records: facts.records }
  } catch (error) {
    await rm(draft, { force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      throw new OxbowError('store_full', 'The disk is full, so nothing was archived.', { hint: 'Free some space first.', cause: error })
    throw error
  }
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Reads it again: a disk may have kept something else. @throws OxbowError `store_failed` */
async function checked(
  place: KeyPlace,
  path: string,
  facts: { readonly seq: number; readonly records: number },
): Promise<Pick<ArchiveFile, 'sha256' | 'bytes'>> {
  let [records, last, bytes] = [0, 0, 0]
  for await (const { seq } of recordsIn(place, path)) [records, last] = [records + 1, seq]
  if (records !== facts.records || last !== facts.seq)
    throw new OxbowError('store_failed', 'The archive could not be read again as it was written.', {
      hint: 'Look at the disk; nothing was taken from the journal.',
    })
  const sum = createHash('sha256')
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    sum.update(chunk)
    bytes += chunk.length
  }
  return { sha256: sum.digest('hex'), bytes }
}

interface ArchivedRecord extends JournalRecord {
  readonly content?: string
}

/** @throws OxbowError `not_found`, `audit_failed` for what is no archive */
async function* recordsIn(place: KeyPlace, path: string): AsyncGenerator<ArchivedRecord> {
  const failed = (cause: unknown): OxbowError =>
    (cause as NodeJS.ErrnoException).code === 'ENOENT'
      ? new OxbowError('not_found', `There is no archive ${path}.`, { hint: 'Put the file there again.', cause })
      : new OxbowError('audit_failed', `${path} is not an archive that can be read.`, { hint: 'Use another copy of the file.', cause })
  try {
    for await (const line of archiveLines(place, path)) {
      const value: unknown = JSON.parse(line)
      if (isObject(value) && typeof value['seq'] === 'number') yield value as unknown as ArchivedRecord
    }
  } catch (error) {
    throw failed(error)
  }
}

/** @returns the lines of an archive, unpacked and opened @throws Error for one that cannot be */
export async function* archiveLines(place: KeyPlace, path: string): AsyncGenerator<string> {
  const file = createReadStream(path)
  const unpacked = createZstdDecompress()
  const opening = isSealedFile(path) ? opened([archiveKey(place) ?? noKey()], file) : file
  // A fault of either ends the reading below with it.
  pipeline(opening, unpacked).catch(() => {})
  yield* linesOf(unpacked)
}

const noKey = (): never => {
  throw new Error('there is no key for archives in this home')
}

const headBytes = 64

/** Whether it has to be opened with the key of this home. */
export function isSealedFile(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    const start = new Uint8Array(headBytes)
    readSync(descriptor, start)
    return isSealed(start)
  } finally {
    closeSync(descriptor)
  }
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

async function readPage(records: AsyncGenerator<ArchivedRecord>, after: number): Promise<ArchivePage> {
  const bodies: { seq: number; body: string }[] = []
  let chars = 0
  for (let next = await records.next(); next.done !== true; next = await records.next()) {
    const { seq, body, content = body } = next.value
    if (seq <= after) continue
    bodies.push({ seq, body: content })
    chars += content.length
    if (chars > maxPageChars || bodies.length >= maxPageBodies) return { bodies, next: seq }
  }
  return { bodies, next: null }
}

/**
 * A backup is one file: a SQLite database as one frame of zstd, followed by archives of files and a manifest:
 *
 *   <database> <archives> "\n" <manifest as JSON> "\n" "oxbow-backup " <length of the manifest, ten digits> "\n"
 *
 * An encrypted database is there as it is, and so is any in a backup by an older version. A truncated backup lacks the last line, and a changed
 * one has another hash.
 */
import { Buffer } from 'node:buffer'
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdCompress, createZstdDecompress } from 'node:zlib'
import { z } from 'zod'
import { OxbowError, parseObject } from '../../base/index.ts'
import type { BackupManifest, BackupPart } from '../../config/index.ts'
import { maxManifestBytes } from '../limits.ts'

/** File name extension of backups. */
export const backupExtension = '.oxbow-backup'

const mark = 'oxbow-backup '
/** The mark, ten digits, and the end of the line. */
const endBytes: number = mark.length + 11

const count = z.int().min(0)
const hex = z.string().regex(/^[0-9a-f]{64}$/)
const partSchema = z
  .strictObject({
    name: z.enum(['shared', 'kept', 'private']),
    bytes: count,
    hash: hex,
    sealed: z.strictObject({ id: z.string(), key: z.string() }).nullable(),
    files: count,
    contentBytes: count,
    links: count,
    skipped: count,
    changed: count,
  })
  // Whoever has no key of the home cannot give it a configuration.
  .refine(({ name, sealed }) => name !== 'private' || sealed !== null)
/** Far more than a home has. */
const maxItems = 1_000
const manifestSchema = z.strictObject({
  format: z.enum(['oxbow.backup.1', 'oxbow.backup.2', 'oxbow.backup.3']),
  user: z.string(),
  schema: count,
  head: z.strictObject({ seq: count, hash: hex }),
  rows: z.record(z.string(), count),
  madeAt: count,
  bytes: count,
  hash: hex,
  unpacked: count.exactOptional(),
  parts: z
    .array(partSchema)
    .refine((parts) => new Set(parts.map(({ name }) => name)).size === parts.length)
    .exactOptional(),
  config: z.array(z.string()).max(2).exactOptional(),
  plugins: z.boolean().exactOptional(),
  items: z.array(z.string()).max(maxItems).exactOptional(),
  leftOut: z
    .array(z.strictObject({ path: z.string(), what: z.string(), instead: z.string() }))
    .max(maxItems)
    .exactOptional(),
  store: z.string().exactOptional(),
  proof: hex.exactOptional(),
}) satisfies z.ZodType<BackupManifest>

/**
 * Compresses a closed database in place. A disk that has no room for both keeps it as it is.
 * @returns what the manifest says of it
 */
export async function packDatabase(path: string): Promise<Pick<BackupManifest, 'bytes' | 'unpacked'>> {
  const unpacked = statSync(path).size
  const packed = `${path}.packed`
  try {
    await pipeline(createReadStream(path), createZstdCompress(), createWriteStream(packed, { mode: 0o600 }))
    renameSync(packed, path)
    return { bytes: statSync(path).size, unpacked }
  } catch (error) {
    rmSync(packed, { force: true })
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    return { bytes: unpacked }
  }
}

/** Writes the database of a backup, whose hash was checked, to a file. @throws OxbowError `bad_input` when it is not as long as the manifest says */
export async function unpackDatabase(path: string, { bytes, unpacked }: BackupManifest, to: string): Promise<void> {
  const packed = createReadStream(path, { end: bytes - 1 })
  const file = createWriteStream(to, { mode: 0o600 })
  if (unpacked === undefined) return pipeline(packed, file)
  const wrongLength = notUsable(path, 'its database is not as long as its manifest says')
  let length = 0
  const counted = async function* (content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of content) {
      length += piece.length
      // Before it fills the disk.
      if (length > unpacked) throw wrongLength
      yield piece
    }
  }
  try {
    await pipeline(packed, createZstdDecompress(), counted, file)
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('ZSTD_')) throw error
    throw notUsable(path, 'its database cannot be decompressed')
  }
  if (length !== unpacked) throw wrongLength
}

/** Appends an archive to a backup. @param facts called after the last byte */
export async function appendPart(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  facts: () => Omit<BackupPart, 'bytes' | 'hash'>,
): Promise<BackupPart> {
  const from = statSync(path).size
  await pipeline(bytes, createWriteStream(path, { flags: 'r+', start: from }))
  const length = statSync(path).size - from
  return { ...facts(), bytes: length, hash: await hashOf(path, length, from) }
}

/** @returns the bytes of a part. Its hash was checked by `readBackup`. */
export function readPart(path: string, { bytes, parts = [] }: BackupManifest, name: BackupPart['name']): AsyncIterable<Uint8Array> {
  let from = bytes
  for (const part of parts) {
    if (part.name === name) return createReadStream(path, { start: from, end: from + part.bytes - 1 }) as AsyncIterable<Uint8Array>
    from += part.bytes
  }
  return Readable.from([])
}

/**
 * Appends the manifest to a closed database and its archives, and flushes the file to disk.
 * @param key of the installation, which proves later that nobody without it has made or changed the backup; absent: it has no files
 */
export async function sealBackup(
  path: string,
  facts: Omit<BackupManifest, 'format' | 'hash' | 'proof'>,
  key?: string,
): Promise<BackupManifest> {
  const file = openSync(path, 'r+')
  try {
    const { size } = fstatSync(file)
    const format = facts.parts === undefined ? 'oxbow.backup.1' : 'oxbow.backup.3'
    const unproven: BackupManifest = { format, ...facts, hash: await hashOf(path, facts.bytes) }
    const manifest = key === undefined ? unproven : { ...unproven, proof: proofOf(unproven, key) }
    const text = Buffer.from(JSON.stringify(manifest), 'utf8')
    const end = `\n${mark}${String(text.length).padStart(10, '0')}\n`
    const tail = Buffer.concat([Buffer.from('\n'), text, Buffer.from(end)])
    writeSync(file, tail, 0, tail.length, size)
    fsyncSync(file)
    return manifest
  } finally {
    closeSync(file)
  }
}

/** @param key 64 hexadecimal digits @returns the HMAC-SHA256 of a manifest without its proof, and with it of all that the manifest has hashes of */
function proofOf(manifest: object, key: string): string {
  const proving = Buffer.from(hkdfSync('sha256', Buffer.from(key, 'hex'), '', 'oxbow backup manifest', 32))
  return createHmac('sha256', proving).update(JSON.stringify(manifest)).digest('hex')
}

/** @returns whether a holder of one of the keys has made the backup as it is; one of an older version has no proof */
export function isProven(path: string, keys: readonly string[]): boolean {
  const { proof, ...manifest } = parseObject(parseManifest(path).text) ?? {}
  if (typeof proof !== 'string') return false
  return keys.some((key) => {
    const own = proofOf(manifest, key)
    return own.length === proof.length && timingSafeEqual(Buffer.from(own), Buffer.from(proof))
  })
}

/** BLAKE3 of a range of a file. */
async function hashOf(path: string, bytes: number, from = 0): Promise<string> {
  const { createBLAKE3 } = await import('hash-wasm')
  const blake3 = (await createBLAKE3()).init()
  if (bytes > 0)
    for await (const chunk of createReadStream(path, { start: from, end: from + bytes - 1, highWaterMark: 1 << 20 }))
      blake3.update(chunk as Uint8Array)
  return blake3.digest('hex')
}

/** Verifies all hashes. @throws OxbowError `not_found`, or `bad_input` for a file that is not a backup, truncated or changed. */
export async function readBackup(path: string): Promise<BackupManifest> {
  const manifest = readManifest(path)
  let from = 0
  for (const { bytes, hash } of [manifest, ...(manifest.parts ?? [])]) {
    if ((await hashOf(path, bytes, from)) !== hash)
      throw notUsable(path, 'its content does not match its hash: it was changed or is damaged')
    from += bytes
  }
  return manifest
}

/** Reads the manifest without verifying the content. */
export function readManifest(path: string): BackupManifest {
  return parseManifest(path).manifest
}

function parseManifest(path: string): { readonly manifest: BackupManifest; readonly text: string } {
  const file = openBackup(path)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw notUsable(path, 'it is not a file')
    const { size } = stat
    const end = readAt(file, size - endBytes, endBytes)
    const length = Number(end.slice(mark.length))
    if (!end.startsWith(mark) || !Number.isInteger(length)) throw notUsable(path, 'it is truncated, or not a backup')
    const from = size - endBytes - 1 - length
    if (length > maxManifestBytes || from < 1) throw notUsable(path, 'its end is damaged')
    const text = readAt(file, from, length)
    const parsed = manifestSchema.safeParse(parseJson(text))
    if (!parsed.success || lengthOf(parsed.data) !== from - 1) throw notUsable(path, 'its manifest is damaged')
    return { manifest: parsed.data, text }
  } finally {
    closeSync(file)
  }
}

function lengthOf({ bytes, parts = [] }: BackupManifest): number {
  return parts.reduce((sum, part) => sum + part.bytes, bytes)
}

function openBackup(path: string): number {
  try {
    // Without O_NONBLOCK, opening a pipe would block until it has a writer.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw new OxbowError('not_found', `There is no backup at ${path} that can be read.`, {
      hint: '`oxbow store status` lists the backups.',
      cause,
    })
  }
}

function readAt(file: number, position: number, length: number): string {
  if (position < 0) return ''
  const bytes = Buffer.alloc(length)
  return bytes.toString('utf8', 0, readSync(file, bytes, 0, length, position))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function notUsable(path: string, why: string): OxbowError {
  return new OxbowError('bad_input', `The backup ${path} cannot be used: ${why}.`, {
    hint: 'Use another backup: `oxbow store status` lists them. Nothing was changed.',
  })
}

/** Paths of the backups in a folder, newest first by name; does not open them. */
export function backupsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith(backupExtension))
  return names
    .toSorted()
    .toReversed()
    .map((name) => join(folder, name))
}

/** A timestamp for file names that sorts by time. */
export function stamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:.]/g, '')
}

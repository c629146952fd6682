/**
 * A backup is one file: a SQLite database as any program opens it, and behind it its manifest:
 *
 *   <database> "\n" <manifest as JSON> "\n" "oxbow-backup " <length of the manifest, ten digits> "\n"
 *
 * SQLite knows the length of its database and does not look beyond it. What was cut short has no end, and what was changed has
 * another hash.
 */
import { Buffer } from 'node:buffer'
import { closeSync, createReadStream, existsSync, fstatSync, fsyncSync, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type BackupManifest, OxbowError } from '../../types/index.ts'
import { maxManifestBytes } from '../limits.ts'

/** Of the names of backups. */
export const backupExtension = '.oxbow-backup'

const mark = 'oxbow-backup '
/** The mark, ten digits, and the end of the line. */
const endBytes: number = mark.length + 11

const count = z.int().min(0)
const hex = z.string().regex(/^[0-9a-f]{64}$/)
const manifestSchema = z.strictObject({
  format: z.literal('oxbow.backup.1'),
  user: z.string(),
  schema: count,
  head: z.strictObject({ seq: count, hash: hex }),
  rows: z.record(z.string(), count),
  madeAt: count,
  bytes: count,
  hash: hex,
}) satisfies z.ZodType<BackupManifest>

/** Puts the manifest behind a database that is closed, and sees that all of it is on the disk. */
export async function sealBackup(path: string, facts: Omit<BackupManifest, 'format' | 'bytes' | 'hash'>): Promise<BackupManifest> {
  const file = openSync(path, 'r+')
  try {
    const bytes = fstatSync(file).size
    const manifest: BackupManifest = { format: 'oxbow.backup.1', ...facts, bytes, hash: await hashOf(path, bytes) }
    const text = Buffer.from(JSON.stringify(manifest), 'utf8')
    const end = `\n${mark}${String(text.length).padStart(10, '0')}\n`
    const tail = Buffer.concat([Buffer.from('\n'), text, Buffer.from(end)])
    writeSync(file, tail, 0, tail.length, bytes)
    fsyncSync(file)
    return manifest
  } finally {
    closeSync(file)
  }
}

/** BLAKE3 of the first `bytes` of a file. */
async function hashOf(path: string, bytes: number): Promise<string> {
  const { createBLAKE3 } = await import('hash-wasm')
  const blake3 = (await createBLAKE3()).init()
  if (bytes > 0)
    for await (const chunk of createReadStream(path, { end: bytes - 1, highWaterMark: 1 << 20 })) blake3.update(chunk as Uint8Array)
  return blake3.digest('hex')
}

/** @throws OxbowError `bad_input` that says what is wrong with the file: none, no backup, cut short, or changed. */
export async function readBackup(path: string): Promise<BackupManifest> {
  const manifest = readManifest(path)
  if ((await hashOf(path, manifest.bytes)) !== manifest.hash)
    throw notUsable(path, 'its content is not what was backed up: it was changed or is damaged')
  return manifest
}

/** The manifest alone, without looking at the database before it. */
export function readManifest(path: string): BackupManifest {
  const file = openBackup(path)
  try {
    const stat = fstatSync(file)
    if (!stat.isFile()) throw notUsable(path, 'it is no file')
    const { size } = stat
    const end = readAt(file, size - endBytes, endBytes)
    const length = Number(end.slice(mark.length))
    if (!end.startsWith(mark) || !Number.isInteger(length)) throw notUsable(path, 'it is cut short, or no backup at all')
    const from = size - endBytes - 1 - length
    if (length > maxManifestBytes || from < 1) throw notUsable(path, 'its end is damaged')
    const parsed = manifestSchema.safeParse(parseJson(readAt(file, from, length)))
    if (!parsed.success || parsed.data.bytes !== from - 1) throw notUsable(path, 'its manifest is damaged')
    return parsed.data
  } finally {
    closeSync(file)
  }
}

function openBackup(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw new OxbowError('not_found', `There is no backup at ${path} that can be read.`, {
      hint: 'List those there are with `oxbow store status`.',
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
    hint: 'Use another backup: `oxbow store status` lists those there are. Nothing was changed.',
  })
}

/** Backups in a folder, the newest first, without reading what is in them. */
export function backupsIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.endsWith(backupExtension))
  return names
    .toSorted()
    .toReversed()
    .map((name) => join(folder, name))
}

/** A time that sorts, for the name of a file. */
export function stamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-:.]/g, '')
}

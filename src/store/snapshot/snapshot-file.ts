/**
 * The snapshot of what a search holds, in a file next to the database, or, of a database on a server, where that file would be: so the first
 * search of a process reads one file instead of every passage. It is only a copy: where it is missing, damaged, old or of another database,
 * everything is read from the database again.
 *
 * It holds the words of memories. So it is sealed where the database is encrypted, and whoever erases a memory erases the file, after the
 * commit. Whoever writes one looks again, after the file has its name, whether something was erased meanwhile: of the two one always comes last.
 */
import { hkdfSync } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { openBytes, sealBytes, type UserId, writeWhole } from '../../base/index.ts'
import { maxSnapshotBytes } from '../limits.ts'
import type { QuerySteps } from '../memory/memory-reads.ts'
import { decodeHeld, encodeHeld, type HeldImage } from '../search/held-image.ts'
import { eraseSnapshots, snapshotStart } from './erase-snapshots.ts'

export interface SnapshotPlace {
  /** Of the database's file; of a database on a server, where a file of one would be. */
  readonly path: string
  readonly user: UserId
  /** Keys that seal it, as 64 hexadecimal digits, the one in use first; null: it is not sealed. */
  readonly masters: () => readonly string[] | null
}

function fileOf({ path, user }: SnapshotPlace): string {
  return snapshotStart(path) + Buffer.from(user, 'utf8').toString('hex')
}

export function hasSnapshot(place: SnapshotPlace): boolean {
  return existsSync(fileOf(place))
}

/** @returns null without a readable one: compare it with the database before it is used; never throws */
export function readSnapshot(place: SnapshotPlace): HeldImage | null {
  try {
    const file = fileOf(place)
    if (!existsSync(file) || statSync(file).size > maxSnapshotBytes) return null
    const bytes = unsealed(place, readFileSync(file))
    // Typed arrays stand at multiples of 8 in their buffer, and a buffer of the pool may begin anywhere.
    return bytes === null ? null : decodeHeld(place.user, bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes))
  } catch {
    return null
  }
}

/** @param isOld whether something was erased since the image was made @throws the system's own error */
export function* writeSnapshot(place: SnapshotPlace, image: HeldImage, isOld: () => QuerySteps<boolean>): QuerySteps<void> {
  const bytes = sealed(place, encodeHeld(place.user, image))
  if (bytes === null || bytes.length > maxSnapshotBytes || (yield* isOld())) return
  writeWhole(fileOf(place), bytes)
  if (yield* isOld()) eraseSnapshots(place.path)
}

function keysOf({ masters }: SnapshotPlace): readonly Uint8Array[] | null {
  const keys = masters()
  return keys && keys.map((key) => new Uint8Array(hkdfSync('sha256', Buffer.from(key, 'hex'), '', 'recall-snapshot of oxbow', 32)))
}

/** @returns null when it must be sealed and there is no key */
function sealed(place: SnapshotPlace, bytes: Uint8Array): Uint8Array | null {
  const keys = keysOf(place)
  if (keys === null) return bytes
  const [key] = keys
  return key === undefined ? null : sealBytes(key, bytes)
}

/** @returns null when no key opens it */
function unsealed(place: SnapshotPlace, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const keys = keysOf(place)
  if (keys === null) return bytes
  for (const key of keys) {
    const opened = openBytes(key, bytes)
    if (opened !== null) return opened
  }
  return null
}

/**
 * The snapshot of what a search holds, in a file next to the database: so the first search of a process reads one file instead of every
 * passage. It is only a copy: where it is missing, damaged, old or of another database, everything is read from the database again.
 *
 * It holds the words of memories. So it is encrypted where the database is, and whoever erases a memory erases the file, after the commit.
 * Whoever writes one looks again, after the file has its name, whether something was erased meanwhile: of the two one always comes last.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { type UserId, writeWhole } from '../../base/index.ts'
import { maxSnapshotBytes } from '../limits.ts'
import { decodeHeld, encodeHeld, type HeldImage } from '../search/held-image.ts'
import { type CipherChoice, isEncrypted } from '../secrets/file-encryption.ts'
import { eraseSnapshots, snapshotStart } from './database-file.ts'

interface SnapshotPlace {
  readonly path: string
  readonly user: UserId
  readonly cipher?: CipherChoice
}

function fileOf({ path, user }: SnapshotPlace): string {
  return snapshotStart(path) + Buffer.from(user, 'utf8').toString('hex')
}

export function hasSnapshot(place: SnapshotPlace): boolean {
  return existsSync(fileOf(place))
}

/** @param isUsable compares it with the database @returns null without a usable one; never throws */
export function readSnapshot(place: SnapshotPlace, isUsable: (image: HeldImage) => boolean = () => true): HeldImage | null {
  try {
    const file = fileOf(place)
    if (!existsSync(file) || statSync(file).size > maxSnapshotBytes) return null
    const bytes = unsealed(place, readFileSync(file))
    // Typed arrays stand at multiples of 8 in their buffer, and a buffer of the pool may begin anywhere.
    const image = bytes === null ? null : decodeHeld(place.user, bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes))
    return image !== null && isUsable(image) ? image : null
  } catch {
    return null
  }
}

/** @param isOld whether something was erased since the image was made @throws the system's own error */
export function writeSnapshot(place: SnapshotPlace, image: HeldImage, isOld: () => boolean): void {
  const bytes = sealed(place, encodeHeld(place.user, image))
  if (bytes.length > maxSnapshotBytes || isOld()) return
  writeWhole(fileOf(place), bytes)
  if (isOld()) eraseSnapshots(place.path)
}

const ivBytes = 12
const tagBytes = 16

function keysOf({ path, cipher }: SnapshotPlace): readonly Uint8Array[] | null {
  if (cipher === undefined || !isEncrypted(path)) return null
  return cipher.masters.map((master) => new Uint8Array(hkdfSync('sha256', Buffer.from(master, 'hex'), '', 'recall-snapshot of oxbow', 32)))
}

function sealed(place: SnapshotPlace, bytes: Uint8Array): Uint8Array {
  const [key] = keysOf(place) ?? []
  if (key === undefined) return bytes
  const iv = randomBytes(ivBytes)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

/** @returns null when no key opens it */
function unsealed(place: SnapshotPlace, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | null {
  const keys = keysOf(place)
  if (keys === null) return bytes
  for (const key of keys) {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes))
    decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(ivBytes, bytes.length - tagBytes)), decipher.final()])
    } catch {
      // Sealed with another key.
    }
  }
  return null
}

/**
 * Versions of a file. Callers identify one by its content hash, which results contain and a later change may require; right before a rename
 * it is identified by its metadata, which needs no reading.
 */
import type { Hash } from 'node:crypto'
import { lstatSync, type Stats } from 'node:fs'
import { failed } from '../failure.ts'
import { hashDigits } from '../../protocol/index.ts'
import { maxEditBytes, readBlockBytes } from '../limits.ts'
import { openRegularFile, type Place, type Root } from './workspace-path.ts'

/** Incremental content hash: the beginning of the SHA-256. */
export interface ContentHash {
  update(bytes: Uint8Array): void
  digest(): string
}

export function createContentHash(): ContentHash {
  // Loaded with the first file: hands that only run commands never need it.
  const hash: Hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex').slice(0, hashDigits) }
}

/** @returns the beginning of the SHA-256 of a content, by which callers notice a change */
export function contentHash(content: string | Uint8Array): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', content).slice(0, hashDigits)
}

/** Metadata of a file that was read. */
export type FileVersion = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs'>

/** @returns whether it is still the same file, not written to since. */
export function isUnchanged(real: string, { dev, ino, size, mtimeMs }: FileVersion): boolean {
  const now = lookAt(real)
  return now !== null && now.dev === dev && now.ino === ino && now.size === size && now.mtimeMs === mtimeMs
}

/** @returns null: there is nothing, or it cannot be looked at */
export function lookAt(real: string): Stats | null {
  try {
    return lstatSync(real)
  } catch {
    return null
  }
}

/**
 * The file that is about to be replaced.
 * @param needed whether the hash is required: otherwise it is '' for a file that is unreadable or too large to hash for a remark
 * @returns `standing` null if there is no file.
 * @throws system errors, `path_refused`
 */
export async function stateOf(
  roots: readonly Root[],
  { virtual, mode }: { readonly virtual: string; readonly mode: number | null },
  needed: boolean,
): Promise<{ readonly hash: string; readonly standing: FileVersion | null }> {
  if (mode === null) return { hash: '', standing: null }
  const opened = await openRegularFile(roots, virtual).catch((error: unknown) => {
    if (needed) throw error
    return null
  })
  if (opened === null) return { hash: '', standing: null }
  const { file, stats } = opened
  try {
    if (!needed && stats.size > maxEditBytes) return { hash: '', standing: stats }
    const hash = createContentHash()
    const block = Buffer.allocUnsafe(Math.max(1, Math.min(readBlockBytes, stats.size)))
    for (;;) {
      const { bytesRead } = await file.read(block, 0, block.length, null)
      if (bytesRead === 0) return { hash: hash.digest(), standing: stats }
      hash.update(block.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
}

/** @param hash of the current file; null if it is missing. @throws the failure `edit_mismatch` when the caller expects another */
export function requireHash({ virtual }: Place, hash: string | null, wanted: string): void {
  if (hash === wanted) return
  const now = hash === null ? 'no such file exists now' : `its hash is ${hash} now`
  throw failed(
    'edit_mismatch',
    `${virtual} does not hold the content with hash ${wanted}: ${now}. Nothing was changed.`,
    'Something else has changed it. Read it again, and adapt the change.',
  )
}

/**
 * What a file holds at a moment. Callers know it by its hash, which results name and a later change may ask for; the moment
 * before a rename knows it by what the file system says, which costs no reading.
 */
import type { Hash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { failed } from '../failure.ts'
import { hashDigits, maxEditBytes, readBlockBytes } from '../limits.ts'
import { openRegularFile, type Place, type Root } from './workspace-path.ts'

/** The hash of a content that comes in pieces: the beginning of its SHA-256. */
export interface ContentHash {
  update(bytes: Uint8Array): void
  digest(): string
}

export function createContentHash(): ContentHash {
  // Loaded with the first file: hands that only run commands do without it.
  const hash: Hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex').slice(0, hashDigits) }
}

export function contentHash(content: string | Uint8Array): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', content).slice(0, hashDigits)
}

/** What the file system says of a file that was read. */
export type Standing = Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs'>

/** @returns whether the same file stands there, and nobody has written to it since. */
export async function isStanding(real: string, { dev, ino, size, mtimeMs }: Standing): Promise<boolean> {
  const now = await lstat(real).catch(() => null)
  return now !== null && now.dev === dev && now.ino === ino && now.size === size && now.mtimeMs === mtimeMs
}

/**
 * What stands where a file is about to be replaced.
 * @param needed whether the hash is: else '' stands for a file that is too large to read for a remark, or cannot be read
 * @returns `standing` null where there is no file. @throws system errors, `path_refused`
 */
export async function stateOf(
  roots: readonly Root[],
  { virtual, mode }: { readonly virtual: string; readonly mode: number | null },
  needed: boolean,
): Promise<{ readonly hash: string; readonly standing: Standing | null }> {
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

/** @param hash of what stands there; null where there is no file. @throws the failure `edit_mismatch` when the caller means another */
export function requireHash({ virtual }: Place, hash: string | null, wanted: string): void {
  if (hash === wanted) return
  const now = hash === null ? 'there is no file of that name now' : `its hash is ${hash} now`
  throw failed(
    'edit_mismatch',
    `${virtual} does not hold the content with hash ${wanted}: ${now}. Nothing was changed.`,
    'Somebody else has changed it. Read it again, and make the change to what it holds.',
  )
}

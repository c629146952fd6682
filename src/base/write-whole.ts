/** Replaces a file on the host atomically: a reader, or a crash, sees the old content or the new one, never a part. */
import { closeSync, fchmodSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a draft next to the file, flushes it to disk, renames it over the file, and flushes the folder. Creates missing folders with
 * mode 0700. Follows no link at `path`: the link is replaced. Blocks; for small files only.
 *
 * @param mode permissions of the file whatever the umask, 0600 unless given
 * @param drafts folder of the draft, on the same file system: a kill may leave a draft, `NAME.MARK.new`, and not every folder may hold one
 * @throws the system's own error; the file is then unchanged and no draft is left behind
 */
export function writeWhole(path: string, data: string | Uint8Array, mode = 0o600, drafts: string = dirname(path)): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = join(drafts, `${basename(path)}.${draftMark()}.new`)
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data
    withFile(draft, 'wx', mode, (file) => {
      for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done)
      fchmodSync(file, mode)
      fsyncSync(file)
    })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncFolder(folder)
}

/**
 * Tells drafts apart, of this process and of others. No secret, so it needs no cryptography, which takes 7 ms of a start to load.
 * @returns a part of a file name
 */
export function draftMark(): string {
  return [process.pid, process.hrtime.bigint(), Math.random()].map((part) => part.toString(36).replace('0.', '')).join('-')
}

/** Makes the rename survive a power loss. */
function syncFolder(folder: string): void {
  // Windows cannot open a folder; its file system journals the rename itself.
  if (process.platform !== 'win32') withFile(folder, 'r', 0, fsyncSync)
}

function withFile(path: string, flags: string, mode: number, use: (file: number) => void): void {
  const file = openSync(path, flags, mode)
  try {
    use(file)
  } finally {
    closeSync(file)
  }
}

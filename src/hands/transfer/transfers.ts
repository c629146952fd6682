/**
 * Transfers in chunks, over several requests: each names the transfer and the offset at which the one before ended. A transfer ends with
 * its last chunk, with the first failure, or when it is not continued.
 */
import { lstat, mkdir, readdir, readlink, realpath, rm, symlink, unlink } from 'node:fs/promises'
import { posix } from 'node:path'
import { failed } from '../failure.ts'
import { isInside, type Root } from '../files/workspace-path.ts'
import { isTemporary } from '../files/write-file.ts'
import { maxFolderEntries, maxTransferName, transferIdleMs } from '../limits.ts'

export interface Transfer {
  /** Undoes an unfinished transfer. Called once. */
  close(): Promise<void>
}

/** Result of one chunk. */
interface Step<Output> {
  readonly movedBytes: number
  readonly last: boolean
  readonly output: Output
}

interface Transfers<Kind extends Transfer> {
  /** @throws what `begin` and `work` throw; `not_found`, `bad_input` or `limit_reached` for a chunk that does not fit */
  step<Output>(
    piece: { readonly name: string; readonly offset: number },
    begin: () => Promise<Kind>,
    work: (transfer: Kind) => Promise<Step<Output>>,
  ): Promise<Output>
  /** Ends all. Never throws. */
  close(): Promise<void>
}

interface Running<Kind> {
  readonly transfer: Kind
  offset: number
  /** A chunk is being processed: the next one must wait. */
  busy: boolean
  idle: NodeJS.Timeout | undefined
}

export function createTransfers<Kind extends Transfer>(maxAtOnce: number, idleMs: number = transferIdleMs): Transfers<Kind> {
  const running = new Map<string, Running<Kind>>()
  const beginning = new Set<string>()

  const forget = async (name: string, each: Running<Kind>): Promise<void> => {
    clearTimeout(each.idle)
    if (running.get(name) !== each) return
    running.delete(name)
    await each.transfer.close().catch(() => undefined)
  }
  const first = async (name: string, begin: () => Promise<Kind>): Promise<Running<Kind>> => {
    if (running.size + beginning.size >= maxAtOnce) throw failed('limit_reached', 'Too many transfers at once.', 'Finish some first.')
    beginning.add(name)
    try {
      const each = { transfer: await begin(), offset: 0, busy: false, idle: undefined }
      running.set(name, each)
      return each
    } finally {
      beginning.delete(name)
    }
  }
  return {
    async step({ name, offset }, begin, work) {
      if (name === '' || name.length > maxTransferName) throw failed('bad_input', 'A transfer needs a short name.', 'Choose another one.')
      if (beginning.has(name)) throw failed('bad_input', 'This transfer has only just begun.', 'Send the chunks in order.')
      const each = running.get(name) ?? (offset === 0 ? await first(name, begin) : undefined)
      if (each === undefined)
        throw failed('not_found', 'This transfer was never begun, or not continued in time.', 'Begin again at offset 0.')
      if (each.busy || each.offset !== offset) {
        throw failed('bad_input', `The next chunk of this transfer begins at ${each.offset}.`, 'Send the chunks in order.')
      }
      clearTimeout(each.idle)
      each.busy = true
      try {
        const { movedBytes, last, output } = await work(each.transfer)
        each.offset += movedBytes
        if (last) await forget(name, each)
        else each.idle = setTimeout(() => void forget(name, each), idleMs).unref()
        return output
      } catch (error) {
        await forget(name, each)
        throw error
      } finally {
        each.busy = false
      }
    },
    async close() {
      await Promise.all([...running].map(([name, each]) => forget(name, each)))
    },
  }
}

// Notes of unfinished uploads and archives: a link for each in a hidden folder of `/tmp`, so that what a kill leaves behind is found
// without a walk through the workspace. Commands can write there too; so a note only ever removes a file of such a name in the workspace,
// which a command could remove itself.

interface UploadNote {
  /** Never throws. */
  remove(): Promise<void>
}

/** What is unchanged for this long has no owner. */
const sureMs = 2 * transferIdleMs
const folderName = '.oxbow-uploads'

function notesFolder(roots: readonly Root[]): string | null {
  const root = roots.find((each) => each.virtual === '/tmp')
  return root === undefined ? null : `${root.real}/${folderName}`
}

/** Never throws: an upload works without a note too. @param temporary absolute path of the unfinished file */
export async function noteUpload(roots: readonly Root[], temporary: string): Promise<UploadNote> {
  const folder = notesFolder(roots)
  if (folder === null) return { remove: () => Promise.resolve() }
  const note = `${folder}/${posix.basename(temporary)}`
  try {
    await mkdir(folder, { recursive: true })
    await symlink(temporary, note)
  } catch {
    // No space, or another owner's folder: then a kill may leave the file behind.
  }
  return { remove: () => unlink(note).catch(() => undefined) }
}

/**
 * Removes what uploads of earlier hands left behind, now and again once the newest can have no owner: other hands may be writing to the
 * same folders. Never throws.
 */
export async function sweepUploads(roots: readonly Root[]): Promise<{ stop(): void }> {
  const later = (await sweep(roots)) ? setTimeout(() => void sweep(roots), sureMs).unref() : undefined
  return { stop: () => clearTimeout(later) }
}

/** @returns whether some are too new to be without an owner. */
async function sweep(roots: readonly Root[]): Promise<boolean> {
  const folder = notesFolder(roots)
  const names = folder === null ? [] : await readdir(folder).catch(() => [])
  let young = false
  for (const name of names.slice(0, maxFolderEntries)) {
    const note = `${folder}/${name}`
    try {
      const temporary = await readlink(note)
      const isOurs = isTemporary(temporary) && isInside(roots, await realpath(posix.dirname(temporary)))
      const stats = isOurs ? await lstat(temporary) : null
      if (stats !== null && Date.now() - stats.mtimeMs < sureMs) young = true
      else {
        if (stats?.isFile() === true || stats?.isDirectory() === true) await rm(temporary, { recursive: true, force: true })
        await unlink(note)
      }
    } catch {
      // Not a link, or its target no longer exists.
      await unlink(note).catch(() => undefined)
    }
  }
  return young
}

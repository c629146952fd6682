/**
 * Files and folders on the host that keep what takes long to make or to find out: answers about this machine, programs that sandboxes
 * are shown, images, snapshots. Each is complete from the moment it has its name. Drafts have the process id of their maker in their
 * name, so that the drafts of killed processes are found and removed.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { writeWhole } from '../base/index.ts'
import { sandboxUid } from './tier-plan.ts'

/**
 * An answer about this machine that takes seconds to find.
 * @param question the answer holds while this text is the same
 * @param lasts whether to keep an answer that was just found
 * @returns the kept answer, or what `find` returns. Rejects as `find` does
 */
export async function keptAnswer<T>(file: string, question: string, find: () => Promise<T>, lasts: (answer: T) => boolean): Promise<T> {
  const kept = readAnswer(file)
  if (kept !== null && kept.question === question) return kept.answer as T
  const answer = await find()
  if (lasts(answer)) {
    try {
      writeWhole(file, JSON.stringify({ question, answer }))
    } catch {
      // It is found again next time.
    }
  }
  return answer
}

function readAnswer(file: string): { question: unknown; answer: unknown } | null {
  try {
    const kept: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return typeof kept === 'object' && kept !== null && 'question' in kept && 'answer' in kept ? kept : null
  } catch {
    return null
  }
}

/** @returns an id that changes whenever this machine boots */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Not Linux: the minute of the boot. A corrected clock may change it; then answers are found again.
    return `started ${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}

/** Writes the file unless it has this text already. Processes that have the old file open keep it. @returns `path` */
export function keepFile(path: string, text: string): string {
  if (readText(path) === text) return path
  mkdirSync(dirname(path), { recursive: true })
  writeWhole(path, text, 0o644)
  return path
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Between a name and the process id of the maker. No other name has it. */
const idMark = '.of-'

/** @returns the name of a draft of this process */
export function ownName(name: string): string {
  return `${name}${idMark}${process.pid}`
}

/**
 * Makes a folder that is named by its content. Where another process makes the same one meanwhile, the first one is kept.
 * @param fill writes into a draft next to the folder. Rejects as `fill` does, and then leaves nothing
 * @returns whether the folder is new
 */
export async function makeFolder(folder: string, fill: (draft: string) => Promise<void>): Promise<boolean> {
  if (existsSync(folder)) {
    // Mark it as used, so that it is not the oldest to be removed. Fails where the folder is not ours, and then changes nothing.
    await utimes(folder, new Date(), new Date()).catch(() => undefined)
    return false
  }
  const place = dirname(folder)
  await mkdir(place, { recursive: true, mode: 0o755 })
  await removeOrphans(place)
  const draft = await mkdtemp(`${ownName(folder)}-`)
  try {
    await chmod(draft, 0o755)
    await fill(draft)
    return await rename(draft, folder).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false
        throw error
      },
    )
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Removes all but the `left` newest of the names that fit, by modification time. Another process may do the same meanwhile. */
export async function removeOldest(folder: string, fits: (name: string) => boolean, left: number): Promise<void> {
  const found: { path: string; at: number }[] = []
  for (const name of (await readdir(folder)).filter(fits)) {
    const path = join(folder, name)
    const stats = await stat(path).catch(() => null)
    if (stats !== null) found.push({ path, at: stats.mtimeMs })
  }
  for (const { path } of found.toSorted((a, b) => b.at - a.at).slice(left)) await rm(path, { recursive: true, force: true })
}

/**
 * Removes drafts of processes that have ended. Never throws. In a folder that everybody may write, drafts of other users are left:
 * their owner could put links into one while it is removed, and so decide what is removed.
 */
export async function removeOrphans(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, pid] = /\.of-(\d+)(?:-\w+)?$/.exec(name) ?? []
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue
    const owner = await lstat(join(folder, name)).catch(() => null)
    if (owner === null || !isOurs(owner.uid)) continue
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined)
  }
}

/** What root makes for a machine belongs to the uid of hands. */
function isOurs(uid: number): boolean {
  const own = process.getuid?.() ?? uid
  return uid === own || (own === 0 && uid === sandboxUid)
}

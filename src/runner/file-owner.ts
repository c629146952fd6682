/**
 * Processes change a file of the home one after another: `FILE.owner` names the one that does. If a crash has left it, the next process removes it
 * under a second file, so that nobody removes a running process's.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { draftMark, isAlive, OxbowError } from '../base/index.ts'
import { hostFiles } from './home.ts'
import { lockPollMs, lockWaitMs } from './limits.ts'

/**
 * Waits for others, blocking this thread.
 * @param what for people: "Another process is changing …" @param work others wait for it, so it must be quick
 * @throws OxbowError `limit_reached` when another process changes it all the time, or as `hostFiles`; what `work` throws
 */
export function asOwner<Result>(path: string, what: string, work: () => Result): Result {
  const owner = hostFiles(() => takeOwnership(`${path}.owner`, what))
  try {
    return work()
  } finally {
    rmSync(owner, { force: true })
  }
}

/** @returns the path of the file that the caller removes in the end */
function takeOwnership(path: string, what: string): string {
  const draft = `${path}.${draftMark()}`
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const pause = new Int32Array(new SharedArrayBuffer(4))
  try {
    // Linked with its content, so that nobody reads it half written.
    writeFileSync(draft, String(process.pid), { flag: 'wx', mode: 0o600 })
    for (let waitedMs = 0; waitedMs < lockWaitMs; waitedMs += lockPollMs) {
      if (linked(draft, path)) return path
      if (isLeft(path) && linked(draft, `${path}.removal`)) {
        // Nobody else removes it now: it is the same file, or the next owner's.
        if (isLeft(path)) rmSync(path, { force: true })
        rmSync(`${path}.removal`, { force: true })
      } else Atomics.wait(pause, 0, 0, lockPollMs)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  throw new OxbowError('limit_reached', `Another process (${readText(path) ?? 'unknown'}) is changing ${what}.`, {
    hint: `Try again when it has ended. If no such command runs, remove ${path} and ${path}.removal.`,
  })
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Whether its owner has ended without removing it. */
function isLeft(path: string): boolean {
  const pid = Number(readText(path) ?? process.pid)
  return !(Number.isInteger(pid) && pid > 0 && isAlive(pid))
}

/** @returns the text of a file; null if it does not exist */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

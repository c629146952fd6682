/**
 * Replaces and removes files only while they hold what the caller expects. The file is renamed aside first, and compared there: whoever
 * writes to the name meanwhile makes a new file, which nothing replaces, so no edit is lost, however short the moment. What a program
 * writes to a file that it has opened before is found at the end, and put back. For some microseconds nothing has the name, as when git
 * checks out a file; what a kill leaves then has a name as `temporaryBeside` makes it.
 *
 * Each of these calls of the system takes microseconds, and a version brings back thousands of files: they are made here and not in the
 * thread pool, whose way there and back takes ten times as long, and milliseconds on a busy machine.
 */
import { closeSync, constants, lstatSync, openSync, readlinkSync, readSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { setImmediate as breath } from 'node:timers/promises'
import { failed, systemCode } from '../failure.ts'
import { readBlockBytes } from '../limits.ts'
import { contentHash, createContentHash, isUnchanged } from './file-state.ts'
import { renameToFree, temporaryBeside } from './write-file.ts'

/** `''`: nothing may have the name, but an empty folder, in which nothing is lost. */
export type ExpectedHash = string

/** @param from a file or a link in the same file system. @returns false if the file holds something else; then both are where they were */
export async function replaceExpected(from: string, to: string, hash: ExpectedHash): Promise<boolean> {
  if (hash === '') {
    if (isFolder(to)) removeEmpty(to)
    return isPlaced(from, to)
  }
  return takeExpected(to, hash, () => isPlaced(from, to))
}

/** @returns false if the file holds something else, and is still there */
export async function removeExpected(real: string, hash: ExpectedHash): Promise<boolean> {
  return takeExpected(real, hash, () => Promise.resolve(true))
}

/** Never throws: what is in it keeps it. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Then nothing can be placed there, which says why.
  }
}

const isFolder = (real: string): boolean => lstatSync(real, { throwIfNoEntry: false })?.isDirectory() === true

/** @returns the hash of a file, or of where a link leads; null for anything else */
async function hashAt(real: string): Promise<string | null> {
  try {
    const stats = lstatSync(real)
    if (stats.isSymbolicLink()) return contentHash(readlinkSync(real))
    if (!stats.isFile()) return null
    const file = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      const hash = createContentHash()
      const block = Buffer.allocUnsafe(Math.max(1, Math.min(readBlockBytes, stats.size)))
      for (;;) {
        const bytesRead = readSync(file, block, 0, block.length, null)
        if (bytesRead === 0) return hash.digest()
        hash.update(block.subarray(0, bytesRead))
        // Others are answered while a large file is read.
        if (bytesRead === readBlockBytes) await breath()
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error))) return null
    throw error
  }
}

/** @param place what takes its place. @returns false if somebody else has changed it: what they wrote is there */
async function takeExpected(real: string, hash: ExpectedHash, place: () => Promise<boolean>): Promise<boolean> {
  if ((await hashAt(real)) !== hash) return false
  const aside = temporaryBeside(real)
  try {
    renameSync(real, aside)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
  try {
    const seen = lstatSync(aside)
    if ((await hashAt(aside)) !== hash) {
      await putBack(aside, real)
      return false
    }
    const isTaken = await place()
    if (isUnchanged(aside, seen)) {
      rmSync(aside, { force: true })
      return isTaken
    }
  } catch (error) {
    await putBack(aside, real)
    throw error
  }
  // A program that had it open has written to it. What is there by now and is not ours is newer.
  renameSync(aside, real)
  return false
}

/** A file that somebody has made there meanwhile is newer than this one. */
async function putBack(aside: string, real: string): Promise<void> {
  if (!(await isPlaced(aside, real))) rmSync(aside, { force: true })
}

async function isPlaced(from: string, to: string): Promise<boolean> {
  try {
    renameToFree(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    if (systemCode(error) !== 'EXDEV') throw error
  }
  // A repository is mounted onto itself, so nothing outside of it can be renamed into it.
  const beside = temporaryBeside(to)
  try {
    await cp(from, beside, { verbatimSymlinks: true, preserveTimestamps: true })
    renameToFree(beside, to)
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(beside, { force: true })
  }
}

export function changedMeanwhile(virtual: string): Error {
  return failed('edit_mismatch', `${virtual} does not hold the expected content. Nothing was changed.`, 'Something else has changed it.')
}

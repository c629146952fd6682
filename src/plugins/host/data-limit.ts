/**
 * The room that a plugin has in its folder `/data`. What it holds is counted every half second while its host lives; a host that is over it is
 * ended, and none is started before there is room again. One file can never be larger: there the write itself fails, with `EFBIG`.
 *
 * It does not hold what a plugin writes in the half second before it is counted, nor files that it has removed and keeps open, whose room is
 * free again when its host ends.
 */
import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OxbowError } from '../../types/index.ts'
import { countAfterShare, dataCountMs, emptyFileBytes } from './limits.ts'

const mib = 1024 * 1024

/** @returns what the files and folders take on the disk, each at least a block of it, so that empty ones count @param enough stops the count */
export async function countData(folder: string, enough = Infinity): Promise<number> {
  let bytes = 0
  const folders = [folder]
  for (let next = folders.pop(); next !== undefined && bytes <= enough; next = folders.pop()) {
    // What goes away meanwhile takes nothing.
    for (const entry of await readdir(next, { withFileTypes: true }).catch(() => [])) {
      const path = join(next, entry.name)
      if (entry.isDirectory()) folders.push(path)
      bytes += roomOf(await lstat(path).catch(() => null))
      if (bytes > enough) break
    }
  }
  return bytes
}

const roomOf = (stats: Stats | null): number => (stats === null ? 0 : Math.max(stats.blocks * 512, emptyFileBytes))

/** @returns ends the counting @param onFull is called once */
export function watchData(folder: string, maxBytes: number, onFull: (bytes: number) => void): () => void {
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const count = async (): Promise<void> => {
    const began = performance.now()
    const bytes = await countData(folder, maxBytes)
    if (isOver) return
    if (bytes > maxBytes) return onFull(bytes)
    later(Math.max(dataCountMs, (performance.now() - began) * countAfterShare))
  }
  const later = (ms: number): void => {
    timer = setTimeout(() => void count(), ms).unref()
  }
  later(dataCountMs)
  return () => {
    isOver = true
    clearTimeout(timer)
  }
}

/** Why a host was ended, for people. */
export function fullProblem(maxBytes: number): string {
  return `it wrote more to /data than the ${Math.floor(maxBytes / mib)} MB that plugins.data_max_mb allows`
}

/** @throws OxbowError `limit_reached` when there is no room, so that a host would be ended at once */
export async function assertRoom(plugin: string, folder: string, maxBytes: number): Promise<void> {
  if ((await countData(folder, maxBytes)) <= maxBytes) return
  throw new OxbowError('limit_reached', `The plugin ${plugin} has more than ${Math.floor(maxBytes / mib)} MB in its folder /data.`, {
    hint: `Raise plugins.data_max_mb and restart Oxbow, or remove what it does not need from ${folder}; then oxbow plugin reload ${plugin}.`,
  })
}

/**
 * The room that a plugin has in its folder `/data`. It is counted every half second while the host lives, and every two seconds where it holds so
 * many files that a count takes long. A host over the limit is stopped, and restarts only when there is room. One file can never be larger:
 * there the write itself fails, with `EFBIG`.
 *
 * What a plugin writes between two counts is not held, nor are files that it has removed and keeps open, whose room is free again when its
 * host ends. What cannot be counted, such as a folder that forbids it, counts as full.
 */
import { existsSync, type Stats } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { PluginFiles } from '../../protocol/index.ts'
import type { TreeCheck } from '../package/tree.ts'
import { dataCountMs, emptyFileBytes, maxDataPauseMs, pauseOfCount } from './limits.ts'

const mib = 1024 * 1024

/** @returns what the files and folders take on the disk, each at least a block of it, so that empty ones count @param enough stops the count */
async function countData(folder: string, enough = Infinity): Promise<number> {
  let bytes = 0
  const folders = [folder]
  for (let next = folders.pop(); next !== undefined && bytes <= enough; next = folders.pop()) {
    for (const entry of (await unlessGone(readdir(next, { withFileTypes: true }))) ?? []) {
      const path = join(next, entry.name)
      if (entry.isDirectory()) folders.push(path)
      bytes += roomOf(await unlessGone(lstat(path)))
      if (bytes > enough) break
    }
  }
  return bytes
}

/** What goes away meanwhile takes nothing. @throws whatever else keeps it from being counted */
async function unlessGone<Value>(found: Promise<Value>): Promise<Value | null> {
  try {
    return await found
  } catch (error) {
    if (/^(?:ENOENT|ENOTDIR)$/.test((error as NodeJS.ErrnoException).code ?? '')) return null
    throw error
  }
}

const roomOf = (stats: Stats | null): number => (stats === null ? 0 : Math.max(stats.blocks * 512, emptyFileBytes))

/** @param folder in which each plugin has one of its own @param tree remembers which packages it has checked */
export function pluginFiles(folder: string, tree: TreeCheck): PluginFiles {
  const state = (plugin: string): string => {
    if (!isAbsolute(folder) || !/^[a-z0-9][a-z0-9._-]*$/i.test(plugin)) throw new Error(`${plugin} is not the name of a plugin`)
    return join(folder, plugin)
  }
  return {
    check: ({ folder: program, tree_hash: hash }) => tree.check(program, hash),
    // The plugin can keep a part from being counted.
    bytes: (plugin, enough) => countData(state(plugin), enough).catch(() => Infinity),
    hasDatabase: (plugin) => Promise.resolve(existsSync(join(state(plugin), 'database'))),
    clear: (plugin) => rm(state(plugin), { recursive: true, force: true }),
    state,
  }
}

/** @returns ends the counting @param onFull is called once */
export function watchData(files: Pick<PluginFiles, 'bytes'>, plugin: string, maxBytes: number, onFull: () => void): () => void {
  let isOver = false
  let timer: NodeJS.Timeout | undefined
  const count = async (): Promise<void> => {
    const began = performance.now()
    const bytes = await files.bytes(plugin, maxBytes)
    if (isOver) return
    if (bytes > maxBytes) return onFull()
    later(Math.min(maxDataPauseMs, Math.max(dataCountMs, (performance.now() - began) * pauseOfCount)))
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
export async function assertRoom(files: Pick<PluginFiles, 'bytes' | 'state'>, plugin: string, maxBytes: number): Promise<void> {
  if ((await files.bytes(plugin, maxBytes)) <= maxBytes) return
  throw new OxbowError('limit_reached', `The plugin ${plugin} has more than ${Math.floor(maxBytes / mib)} MB in its folder /data.`, {
    hint: `Raise plugins.data_max_mb and restart Oxbow, or remove what it does not need from ${files.state(plugin)}; then oxbow plugin reload ${plugin}.`,
  })
}

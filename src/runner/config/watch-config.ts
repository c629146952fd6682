/** Notices that a configuration file has changed. Folders are watched, since editors replace files. */
import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { configFiles } from './config-layers.ts'
import { linkedFile } from './config-file.ts'
import type { Home, Workspace } from '../home.ts'
import { configSettleMs } from '../limits.ts'

/** @param onChange called once for changes that follow each other closely @returns what ends it; a folder that is not there, or cannot be watched, is left out */
export function watchConfig(home: Home, workspace: Pick<Workspace, 'root'>, onChange: () => void): { close(): void } {
  let timer: NodeJS.Timeout | undefined
  const changed = (): void => {
    clearTimeout(timer)
    timer = setTimeout(onChange, configSettleMs).unref()
  }
  const files = configFiles(home, workspace).flatMap(({ path }) => [path, targetOf(path)])
  const folders = Map.groupBy(new Set(files), dirname)
  const watchers = Array.from(folders, ([folder, paths]) => {
    const names = new Set(paths.map((path) => basename(path)))
    return watchFolder(folder, (name) => (name === null || names.has(name)) && changed())
  })
  return {
    close() {
      clearTimeout(timer)
      for (const watcher of watchers) watcher?.close()
    },
  }
}

function targetOf(path: string): string {
  try {
    return linkedFile(path)
  } catch {
    return path
  }
}

function watchFolder(folder: string, onName: (name: string | null) => void): FSWatcher | null {
  try {
    const watcher = watch(folder, { persistent: false }, (_, name) => onName(name))
    // The folder is gone, or the system watches no more: `oxbow config reload` still works.
    watcher.on('error', () => watcher.close())
    return watcher
  } catch {
    return null
  }
}

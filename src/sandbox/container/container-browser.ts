/** What a container of profile `browser` is shown and may use: as in the process tier, with Chromium and its fonts from the image. */
import { join } from 'node:path'
import { OxbowError } from '../../types/index.ts'
import type { Config } from '../../types/index.ts'
import { browserPolicy, policyFiles } from '../browser/browser-policy.ts'
import { ownProfiles } from '../browser/browser-view.ts'
import { findDriver } from '../browser/find-browser.ts'
import { insideEgressSocket } from '../bubblewrap/launch-command.ts'
import type { FolderMount } from '../bubblewrap/launch-command.ts'
import { browserFileMb, browserProcesses } from '../limits.ts'
import type { TierOptions } from '../tier-plan.ts'
import { keepFile } from './kept-file.ts'

interface ContainerView {
  readonly mounts: readonly FolderMount[]
  readonly limits: Config['sandbox']
  /** Of hands. */
  readonly args: readonly string[]
}

/** @param program path of Chromium inside the image. @param kept folder for files that are mounted. @param socket of the egress proxy */
export function browserContainer(
  { folders, browser, cacheFolder, limits }: TierOptions,
  program: string,
  kept: string,
  socket: string,
): ContainerView {
  const driver = findDriver()
  if (driver === null) {
    throw new OxbowError('sandbox_missing', 'No browser: the package playwright-core is not installed.', {
      hint: 'Run: npm install playwright-core',
    })
  }
  const policy = keepFile(join(kept, 'browser-policy.json'), browserPolicy)
  const shown = (host: string, inside: string): FolderMount => ({ host, inside, writable: false })
  return {
    mounts: [
      { host: folders.tmp, inside: '/tmp', writable: true },
      { host: ownProfiles(cacheFolder), inside: '/profiles', writable: true },
      shown(driver, '/opt/oxbow/playwright-core'),
      ...policyFiles.map((path) => shown(policy, path)),
      shown(socket, insideEgressSocket),
    ],
    limits: { ...limits, memory_mb: browser.memory_mb, max_processes: browserProcesses, max_file_mb: browserFileMb },
    args: ['--relay', insideEgressSocket, '--browser', program],
  }
}

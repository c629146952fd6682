/**
 * What hands of profile `browser` see and may use: /tmp, and of the browser what it is made of. Cookies and storage of agents stand
 * in a folder that no other profile sees, so that no file tool and no command can read them.
 */
import { chownSync, existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { toError } from '../../types/index.ts'
import { sandboxUid } from '../bubblewrap/launch-command.ts'
import type { FolderMount, LaunchPlan } from '../bubblewrap/launch-command.ts'
import { browserFileMb, browserProcesses } from '../limits.ts'
import type { TierOptions } from '../tier-plan.ts'
import { browserPolicy, policyFiles } from './browser-policy.ts'
import { findBrowser } from './find-browser.ts'

/** @throws OxbowError `sandbox_missing` when the browser was taken away since the plan was made */
export function browserView({
  folders,
  browser,
  cacheFolder,
}: TierOptions): Pick<LaunchPlan, 'folders' | 'entryArgs' | 'memoryMb' | 'processes' | 'maxFileMb' | 'files'> {
  const parts = findBrowser(browser)
  if ('code' in parts) throw toError(parts)
  const profiles = ownProfiles(cacheFolder)
  const shown = (host: string, inside = host): FolderMount => ({ host, inside, writable: false })
  return {
    folders: [
      { host: folders.tmp, inside: '/tmp', writable: true },
      { host: profiles, inside: '/profiles', writable: true },
      shown(parts.driver, '/opt/oxbow/playwright-core'),
      ...(existsSync('/etc/fonts') ? [shown('/etc/fonts')] : []),
      ...(parts.program.startsWith('/usr/') ? [] : [shown(dirname(parts.program))]),
    ],
    entryArgs: ['--browser', parts.program],
    memoryMb: browser.memory_mb,
    processes: browserProcesses,
    maxFileMb: browserFileMb,
    files: policyFiles.map((path) => ({ path, text: browserPolicy })),
  }
}

/** @returns the folder that holds a folder for each agent; made, and hands' own. */
export function ownProfiles(cacheFolder: string): string {
  const profiles = join(cacheFolder, 'browser')
  mkdirSync(profiles, { recursive: true, mode: 0o700 })
  if (process.getuid?.() === 0) chownSync(profiles, sandboxUid, sandboxUid)
  return profiles
}

/** Finds the programs that the launcher is made of. */
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Failure } from '../../types/index.ts'

/** Absolute paths: the launcher runs without a search path. */
export interface SandboxTools {
  readonly bwrap: string
  readonly prlimit: string
  readonly setpriv: string
  readonly unshare: string
  readonly mount: string
  readonly mkdir: string
  readonly sh: string
}

/** Programs and the Debian package that brings each. */
const packages: Readonly<Record<keyof SandboxTools, string>> = {
  bwrap: 'bubblewrap',
  prlimit: 'util-linux',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
  mkdir: 'coreutils',
  sh: 'dash',
}

/** System folders are looked at too: a person's search path often leaves them out. */
const systemPath = '/usr/bin:/usr/sbin:/bin:/sbin'

/** @returns the tools, or why there is no sandbox and which package to install. */
export function findSandboxTools(searchPath: string): SandboxTools | Failure {
  const names = Object.keys(packages) as (keyof SandboxTools)[]
  const found = names.map((name) => [name, findProgram(name, searchPath)] as const)
  const missing = found.filter(([, path]) => path === null).map(([name]) => name)
  if (missing.length === 0) return Object.fromEntries(found) as unknown as SandboxTools
  const install = [...new Set(missing.map((name) => packages[name]))].join(' ')
  return {
    code: 'sandbox_missing',
    message: `No sandbox: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed. File and shell tools are off.`,
    hint: `Install with: apt-get install ${install} (or your system's package of that name).`,
  }
}

/**
 * @returns the search path of this process, with the system's folders. An entry that is no absolute folder, or an empty one, means the
 * folder that somebody stands in, which may be that of an agent.
 */
export function ownSearchPath(path: string = process.env['PATH'] ?? ''): string {
  return [...path.split(':').filter((folder) => folder.startsWith('/')), systemPath].join(':')
}

/** @returns its path in the first absolute folder of the search path that has it. */
export function findProgram(name: string, searchPath: string): string | null {
  const places = searchPath.split(':').filter((folder) => folder.startsWith('/'))
  return places.map((folder) => join(folder, name)).find(isExecutable) ?? null
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

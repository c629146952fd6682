/** Finds the programs that the launcher is made of. */
import { accessSync, constants, statSync } from 'node:fs'
import { join } from 'node:path'
import { hostCommandBytes, hostCommandMs } from './limits.ts'

/** System folders are looked at too: a person's search path often leaves them out. */
const systemPath = '/usr/bin:/usr/sbin:/bin:/sbin'

/**
 * @returns the search path of this process, with the system's folders. Relative and empty entries are left
 * out: they mean the current folder, which may be an agent's.
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

/** Runs a program of the host to its end: build tools and container engines, whose arguments are made here and never by a model. */

interface HostCommandResult {
  /** Null when it was ended by a signal, or did not start. */
  readonly exitCode: number | null
  readonly stdout: string
  /** What it said on standard error, or why it did not start. */
  readonly stderr: string
}

/** Never rejects. It is ended at its time limit, and when it says more than anything it is asked for needs. */
export function runOnHost(
  file: string,
  args: readonly string[],
  { env, timeoutMs = hostCommandMs }: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<HostCommandResult> {
  const { execFile } = process.getBuiltinModule('node:child_process')
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, maxBuffer: hostCommandBytes, killSignal: 'SIGKILL' as const, ...(env !== undefined && { env }) }
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      const why = error === null || stderr !== '' ? stderr : error.message
      resolve({ exitCode: error === null ? 0 : child.exitCode, stdout, stderr: why.trim() })
    })
    child.stdin?.end()
  })
}

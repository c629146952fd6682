/** Runs a program of the host to its end: build tools and container engines, whose arguments are made here and never by a model. */
import { hostCommandBytes, hostCommandMs } from '../limits.ts'

export interface HostCommandResult {
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

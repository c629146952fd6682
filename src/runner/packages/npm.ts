/** The npm of the host. It runs no script of a package. */
import { execFile } from 'node:child_process'
import { OxbowError, withoutSequences } from '../../base/index.ts'
import type { HostEnv } from '../home.ts'
import { npmInstallMs } from '../limits.ts'

const shownOutput = 1_000
const maxOutputBytes = 16 * 1024 * 1024

/** @param withoutIt what a person can do who has no npm @throws OxbowError `tool_failed` */
export function runNpm(args: readonly string[], cwd: string, env: HostEnv, withoutIt: string): Promise<void> {
  const all = [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  return new Promise((done, fail) => {
    execFile('npm', all, { cwd, env: { ...env }, timeout: npmInstallMs, maxBuffer: maxOutputBytes }, (error, _, stderr) => {
      if (error === null) return done()
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      const why = isMissing ? 'npm was not found.' : `npm failed: ${withoutSequences(stderr.slice(0, shownOutput).trim())}`
      const hint = isMissing ? `Install Node with npm, or ${withoutIt}.` : 'Check the name and version, and the connection.'
      fail(new OxbowError('tool_failed', why, { hint, cause: error }))
    })
  })
}

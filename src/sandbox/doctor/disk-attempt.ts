/** Looks at what bounds the person's workspace: the size of the file system it is on, as it is now. */
import { dirname, join } from 'node:path'
import { findDiskLimit } from '../disk/disk-limit.ts'
import { ok, weak } from './attempt.ts'
import type { Attempt } from './attempt.ts'
import { commandTimeoutMs } from './limits.ts'

/** @param shared folder of the workspace that agents write; `tmp` is beside it */
export function diskAttempt(shared: string, diskMb: number | null): Attempt {
  return {
    name: 'disk',
    timeoutMs: commandTimeoutMs,
    run() {
      const { inForce, missing } = findDiskLimit({ shared, tmp: join(dirname(shared), 'tmp') }, diskMb, null)
      const [said = ''] = [...missing, ...inForce].map((line) => line.replace(/^disk: /, ''))
      return Promise.resolve(
        missing.length === 0 ? ok(said) : weak(said, 'Set sandbox.disk = "image" and start as root: docs/isolation.md, “Disk”.'),
      )
    },
  }
}

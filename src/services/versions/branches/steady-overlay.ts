/**
 * Keeps an overlay at its version: what it has not changed is the workspace's own file, which a person or a merge may change meanwhile.
 * Before a branch is used, files that the workspace has other versions of by now are written into it as they were. What a branch itself has
 * changed stays.
 *
 * So a branch begins with a look at each file, some microseconds each: what a person has changed since the last version must be in the one that the
 * overlay lies over, or nothing could put it back. A watch would not see what a program writes to mapped memory, nor changes behind a machine.
 */
import type { CallId } from '../../../base/index.ts'
import type { Sandbox } from '../../../protocol/index.ts'
import { branchMergeMs } from '../limits.ts'
import type { BranchRecord } from '../version-schemas.ts'
import type { Versions } from '../versions.ts'

export interface SteadyOverlays {
  /** Never rejects for a file that cannot be put back: it is seen as it is now. */
  keep(branch: Pick<BranchRecord, 'name' | 'over'>, sandbox: Sandbox): Promise<void>
  forget(name: string): void
}

export function createSteadyOverlays(versions: () => Promise<Versions>): SteadyOverlays {
  /** The version of the workspace that a branch was compared with. */
  const compared = new Map<string, string>()
  return {
    forget: (name) => void compared.delete(name),
    async keep({ name, over }, sandbox) {
      const kept = await versions()
      const now = await kept.resolve({ at: 'HEAD' })
      if (now === (compared.get(name) ?? over)) return
      await putBack(kept, { name, over, now }, sandbox)
      compared.set(name, now)
    },
  }
}

async function putBack(
  versions: Versions,
  { name, over, now }: { readonly name: string; readonly over: string; readonly now: string },
  sandbox: Sandbox,
): Promise<void> {
  const { changes } = await versions.compare({ from: now, to: over, path: 'shared', text: false, limit: Infinity })
  if (changes.length === 0) return
  const restore = { commit: over, call: name as CallId, signal: AbortSignal.timeout(branchMergeMs) }
  const left = await versions.restoreFiles({ ...restore, before: now, changes }, sandbox)
  // The kernel may still show the file that was there, and would show the other one later.
  const paths = new Set(left.map(({ path }) => path))
  const same = changes.filter(({ path, change }) => change !== 'deleted' && paths.has(path))
  await versions.restoreFiles({ ...restore, before: over, changes: same.map((one) => ({ ...one, change: 'changed' })) }, sandbox)
}

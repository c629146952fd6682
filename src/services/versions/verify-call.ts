/** The call that checks the versions on the disk. It names ids and places of the repository, and nothing that anybody has written. */
import { z } from 'zod'
import { type Call, defineCall } from '../../protocol/index.ts'
import { open, reads, shared, type VersionCallDeps } from './version-calls.ts'
import { verifiedVersions } from './version-schemas.ts'
import { checkpointTimeoutMs } from './limits.ts'

export function verifyCall(deps: Pick<VersionCallDeps, 'versioning'>): Call {
  return defineCall({
    ...shared,
    ...reads,
    name: 'version.verify',
    routes: [{ method: 'POST', path: '/versions/verify' }],
    summary: 'Checks that every version can be brought back: reads each commit, folder and file of them from the disk.',
    input: z.strictObject({}),
    output: verifiedVersions,
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: checkpointTimeoutMs,
    recordOutput: ({ ok, commits, objects, problems }) => ({ intact: ok, commits, objects, problems: problems.length }),
    async run(_, { signal }) {
      const { ok, commits, objects, problems } = await (await open(deps)).verify(signal)
      const output = { ok, commits, objects, problems: [...problems] }
      const text = ok ? `${commits} versions with ${objects} objects are whole.` : problems.join('\n')
      return { output, text, ok }
    },
  })
}

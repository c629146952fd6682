/**
 * The folders of the person in a guest that runs: which of them agents see, and how a changed list takes effect. The sandbox shows them; an
 * isolated guest has its sandbox with the runner, which does the same there.
 */
import { createHash } from 'node:crypto'
import { OxbowError } from '../base/index.ts'
import type { Sandbox, ShownFolder } from '../protocol/index.ts'
import type { GuestEnvelope, HostPort } from '../config/index.ts'

export interface GuestFolders {
  /** Names in /shared, also of folders that cannot be shown now. */
  names(): readonly string[]
  /** Those that agents see and may change: `NAME:MARK`, where the mark says which folder of the person has the name. */
  covered(): readonly string[]
  /** Takes over the list of now. @throws OxbowError as `SandboxFolders.show`, or `not_found` where no runner keeps a list */
  show(): Promise<readonly ShownFolder[]>
}

export function followFolders(
  { folders: atStart = [] }: Pick<GuestEnvelope, 'folders'>,
  sandbox: Pick<Sandbox, 'folders' | 'status'>,
  host: Pick<HostPort, 'folders'> | undefined,
): GuestFolders {
  let known: readonly ShownFolder[] = atStart.map((folder) => ({ ...folder, problem: '' }))
  return {
    names: () => known.map(({ name }) => name),
    covered: () => (sandbox.folders?.list() ?? known).filter(({ readOnly, problem }) => !readOnly && problem === '').map(markOf),
    async show() {
      if (host === undefined)
        throw new OxbowError('not_found', 'This guest has no runner that keeps a list of folders.', { hint: 'Start it with oxbow.' })
      const { folders, shown } = await host.folders()
      known = shown ?? (await sandbox.folders?.show(folders)) ?? folders.map((folder) => ({ ...folder, problem: unseen(sandbox) }))
      return known
    },
  }
}

function markOf({ name, path }: ShownFolder): string {
  return `${encodeURIComponent(name)}:${createHash('sha256').update(path).digest('hex').slice(0, 12)}`
}

/** Tiers that show nothing but the workspace. */
function unseen({ status: { tier, provider } }: Pick<Sandbox, 'status'>): string {
  if (tier === 'none') return 'is not visible to agents, because there is no sandbox'
  if (tier === 'insecure') return 'is not visible to agents without a sandbox (--insecure)'
  return `is not visible to agents in this sandbox (${tier}${provider === '' ? '' : `, ${provider}`})`
}

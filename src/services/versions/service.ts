import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Service } from '../../kernel/index.ts'
import { runs } from '../../runs/index.ts'
import { sectionOf } from '../../config/index.ts'
import { versionedBy, versionsConfig } from './config.ts'
import { documentRights, pendingUndos, runningMark } from './limits.ts'
import type { OpenVersions } from './open-versions.ts'

export type { OpenVersions } from './open-versions.ts'

/** Versions of the workspace and of saved documents, by which a turn is undone, and branches of files. */
export const versions: Service<OpenVersions, { readonly runs: typeof runs }> = {
  name: 'versions',
  config: [versionsConfig],
  verbs: {
    words: {
      'Undo and keep:': {
        'log [options] [path]': 'list the versions of the workspace, or of one file or folder',
        'diff [options] [from] [to]': 'show what changed between two versions, by default in the newest one',
        'tag [options] <name>': 'give a version a name',
        'undo [options] [turn]': 'take back all that a turn changed, by default the newest; shows it first and asks',
        'redo [options]': 'take back the newest undo; shows it first and asks',
        branch: 'copies of the workspace on which agents work: see what changed, merge or drop it',
      },
    },
    async load() {
      const [{ versionVerbs }, { branchVerbs }] = await Promise.all([import('./version-verbs.ts'), import('./branches/branch-verbs.ts')])
      return [...versionVerbs, ...branchVerbs]
    },
  },
  needs: { runs },
  wakes: [pendingUndos],
  left: ({ versionsFolder = '', config }) =>
    versionsFolder !== '' && sectionOf(versionsConfig, config).enabled && existsSync(join(versionsFolder, runningMark)),
  calls: async (core, self) => (await import('./all-calls.ts')).allCalls(core, self),
  async open(core, ports) {
    const port = (await import('./open-versions.ts')).openVersions(core, ports.runs)
    // Nobody waits for a walk through all files: whatever is committed later is committed after this.
    return {
      port,
      async recover() {
        // Before anything else is committed.
        if ((await core.documents.list(pendingUndos, 1)).length > 0)
          await (await import('./undo/pending-undo.ts')).finishUndos({ ...core, versioning: port.versioning })
        void port.versioning.recover()
      },
    }
  },
  files: {
    keeps: (config) => versionedBy(sectionOf(versionsConfig, config)),
    rights: documentRights,
    changes: async ({ versionsFolder = '', config }, self) =>
      versionsFolder !== '' && sectionOf(versionsConfig, config).enabled ? (await self()).versioning.changes : null,
    copies: async (_core, self) => (await self()).branches(),
  },
}

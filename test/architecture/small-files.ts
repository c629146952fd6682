/**
 * Files that may stay small. A product file under 40 lines, or under 60 whose only importer is in its folder, is a slice of a larger
 * idea unless it has a reason: public APIs, limits and entry points have one by name, all others here. An entry that excuses nothing
 * is reported.
 */
import type { DepthRules } from './shape-rules.ts'

export const depthRules: DepthRules = {
  /** Modules whose files have been merged by idea. The others follow. */
  deepModules: new Set(['client', 'gateway', 'guest', 'kernel', 'runtime', 'types']),
  smallFiles: {
    'src/types/git-runs.ts': 'one list for hands and the kernel, which hands import without zod',
    'src/types/write-whole.ts': 'the only code in types that writes to disk',
  },
}

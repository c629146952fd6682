/** `oxbow memory tidy`, `report` and `undo`; each shows what its call says. */
import type { ServiceVerb } from '../../protocol/index.ts'

export const tidyVerbs: readonly ServiceVerb[] = [
  {
    words: 'memory tidy',
    summary: 'extract facts, merge duplicates and let old memories fade',
    examples: ['oxbow memory tidy'],
    call: 'memory.tidy',
  },
  {
    words: 'memory report [id]',
    summary: 'show what a tidy run changed, by default the newest',
    examples: ['oxbow memory report'],
    call: 'memory.report',
    typed: { id: 'report' },
  },
  {
    words: 'memory undo <id>',
    summary: 'undo a tidy run',
    examples: ['oxbow memory undo 019a8f0e-…'],
    call: 'memory.undo',
    typed: { id: 'report' },
  },
]

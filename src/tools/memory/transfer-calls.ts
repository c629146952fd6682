/** Export and import of memory, in pages that fit a frame. */
import { z } from 'zod'
import type { ExportPage, Imported, Memory } from '../../memory/index.ts'
import { type Call, OxbowError } from '../../types/index.ts'
import { plural } from '../workspace-arguments.ts'
import { changing, looking } from './call-facts.ts'
import { ingestTimeoutMs, maxImportCharacters, maxImportLines } from './memory-limits.ts'

export function transferCalls(memory: Memory): readonly Call[] {
  return [exportCall(memory), importCall(memory)]
}

function exportCall(memory: Memory): Call<{ after: string }, ExportPage> {
  return {
    ...looking,
    name: 'memory.export',
    summary: 'Gives memories as JSON lines with everything they have, newest first, a page at a time.',
    input: z.strictObject({ after: z.string().max(300).default('').describe('`next` of the page before.') }),
    output: z.custom<ExportPage>(),
    example: { after: '' },
    audience: ['terminal'],
    labels: { adds: ['untrusted', 'private'], sink: false },
    recordOutput: ({ lines, next }) => ({ lines: lines.length, next }),
    async run({ after }) {
      await memory.caughtUp()
      const page = await (await memory.transfer()).exportPage(after)
      return { output: page, text: plural(page.lines.length, 'line') }
    },
  }
}

function importCall(memory: Memory): Call<{ lines: string[]; overwrite: boolean; untrusted: boolean }, Imported> {
  return {
    ...changing,
    name: 'memory.import',
    summary: 'Takes in memories as memory.export gave them; what is there already stays unless it may be overwritten.',
    timeoutMs: ingestTimeoutMs,
    input: z.strictObject({
      lines: z.array(z.string()).max(maxImportLines).describe('Memories as memory.export writes them, a JSON object each.'),
      overwrite: z.boolean().default(false).describe('What is there with another content is replaced.'),
      untrusted: z.boolean().default(false).describe('They are from somebody else, and count as written by others.'),
    }),
    output: z.custom<Imported>(),
    example: { lines: [], overwrite: false, untrusted: false },
    audience: ['terminal'],
    // A copy of all memories in the journal would outlive their forgetting.
    recordInput: ({ lines, overwrite, untrusted }) => ({ lines: lines.length, overwrite, untrusted }),
    recordOutput: ({ added, replaced, unchanged, conflicts, refused }) => ({
      added,
      replaced,
      unchanged,
      conflicts: conflicts.length,
      refused: refused.length,
    }),
    async run({ lines, overwrite, untrusted }) {
      const characters = lines.reduce((sum, line) => sum + line.length, 0)
      if (characters > maxImportCharacters) {
        throw new OxbowError('limit_reached', `${characters} characters at once are too many; ${maxImportCharacters} is the most.`, {
          hint: 'Import fewer lines at once.',
        })
      }
      const done = await (await memory.transfer()).importLines(lines, { overwrite, untrusted })
      const { added, replaced, unchanged, conflicts, refused } = done
      const text = `${added} added, ${replaced} replaced, ${unchanged} unchanged, ${plural(conflicts.length, 'conflict')}, ${refused.length} refused.`
      return { output: done, text, ok: refused.length === 0 && conflicts.length === 0 }
    },
  }
}

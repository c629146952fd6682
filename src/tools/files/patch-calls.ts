/** Calls that change which file holds what: a diff over many of them, and new names. */
import { z } from 'zod'
import type { Call, PatchedFile } from '../../types/index.ts'
import { maxWriteCharacters, moveTimeoutMs, patchTimeoutMs } from '../limits.ts'
import { askHands, pathArgument, plural, toWorkspacePath } from '../workspace-arguments.ts'
import { changing } from './call-facts.ts'

interface PatchInput {
  diff: string
  path: string
}
interface PatchOutput {
  files: PatchedFile[]
}

const exampleDiff = `--- a/src/main.ts
+++ b/src/main.ts
@@ -1,3 +1,3 @@
 import { serve } from './serve.ts'
-const port = 80
+const port = 8080
 serve(port)
--- /dev/null
+++ b/CHANGES
@@ -0,0 +1 @@
+The port is 8080.
`

export const filePatch: Call<PatchInput, PatchOutput> = {
  ...changing,
  // A second time finds the lines changed already.
  effect: 'once',
  name: 'file.patch',
  summary: 'Applies a unified diff to any number of text files, all of it or nothing; it can create, delete and rename files.',
  input: z.strictObject({
    diff: z
      .string()
      .min(1)
      .max(maxWriteCharacters)
      .describe(
        'Unified diff as git writes it: for each file lines --- a/NAME and +++ b/NAME (/dev/null for none), then hunks. Context and removed lines must be exactly those of the file.',
      ),
    path: pathArgument.default('/shared').describe('Folder that the names in the diff start from. Relative paths start at /shared.'),
  }),
  output: z.strictObject({
    files: z.array(
      z.strictObject({
        path: z.string(),
        from: z.string(),
        change: z.enum(['created', 'changed', 'deleted', 'moved']),
        added: z.int(),
        removed: z.int(),
        hunks: z.int(),
        shifted: z.int(),
      }),
    ),
  }),
  example: { diff: exampleDiff, path: '/shared' },
  timeoutMs: patchTimeoutMs,
  async run(input, context) {
    const output = await askHands(context, 'patch', { path: toWorkspacePath(input.path), diff: input.diff }, patchTimeoutMs)
    return { output, text: output.files.map(patchedLine).join('\n') }
  },
}

const verbs = { created: 'Created', changed: 'Changed', deleted: 'Deleted', moved: 'Moved' } as const

function patchedLine(file: PatchedFile): string {
  const name = file.change === 'moved' ? `${file.from} to ${file.path}` : file.path
  const shifted = file.shifted === 0 ? '' : `; ${plural(file.shifted, 'hunk')} stood at another line than the diff says`
  return `${verbs[file.change]} ${name} (+${file.added} -${file.removed})${shifted}.`
}

interface MoveInput {
  from: string
  to: string
  overwrite: boolean
}
interface MoveOutput {
  from: string
  to: string
  kind: 'file' | 'folder' | 'link'
  replaced: boolean
}

export const fileMove: Call<MoveInput, MoveOutput> = {
  ...changing,
  // A second time there is nothing to move, or something else.
  effect: 'once',
  name: 'file.move',
  summary: 'Renames or moves a file or folder; missing folders are made, and nothing is replaced unless overwrite is set.',
  input: z.strictObject({
    from: pathArgument.describe('File or folder to move. Relative paths start at /shared.'),
    to: pathArgument.describe('Its whole new name, not the folder to put it into. Relative paths start at /shared.'),
    overwrite: z.boolean().default(false).describe('Replaces a file that has this name. A folder is never replaced.'),
  }),
  output: z.strictObject({ from: z.string(), to: z.string(), kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  example: { from: 'draft.md', to: 'notes/2026/plan.md', overwrite: false },
  timeoutMs: moveTimeoutMs,
  async run(input, context) {
    const from = toWorkspacePath(input.from)
    const to = toWorkspacePath(input.to)
    const done = await askHands(context, 'move', { from, to, overwrite: input.overwrite }, moveTimeoutMs)
    const replaced = done.replaced ? ', in place of the one that was there' : ''
    return { output: { from, to, ...done }, text: `Moved the ${done.kind} ${from} to ${to}${replaced}.` }
  },
}

/** Calls that change what one file holds, or that it is there. */
import { z } from 'zod'
import { type Call, isOxbowError, type PatchedFile } from '../../types/index.ts'
import { changeTimeoutMs, maxWriteCharacters, moveTimeoutMs, patchTimeoutMs } from '../limits.ts'
import { askHands, changing, pathArgument, plural, type SeenFiles, toWorkspacePath } from '../workspace-arguments.ts'

interface WriteInput {
  path: string
  text: string
  if_hash?: string | undefined
}
interface WriteOutput {
  path: string
  bytes: number
  created: boolean
  hash: string
}

/** @param seen what each session last read of a file, for remarks that somebody else has changed it since */
export function changeCalls(seen: SeenFiles): readonly Call[] {
  return [fileWrite(seen), fileEdit(seen), filePatch(seen), fileMove, fileDelete]
}

const ifHashArgument = z
  .string()
  .max(64)
  .optional()
  .describe('Changes the file only if it still has this hash, as file_read and every change name it. Absent: whatever it holds.')

/** Said of a file that did not hold what this session read last. */
const changedNote = 'Somebody else had changed it since you last read it'

const fileWrite = (seen: SeenFiles): Call<WriteInput, WriteOutput> => ({
  ...changing,
  // Written whole or not at all: a second time leaves the same file.
  effect: 'idempotent',
  name: 'file.write',
  summary: 'Writes a text file, new or in place of the old one; missing folders are made.',
  input: z.strictObject({
    path: pathArgument.describe('File to write. Relative paths start at /shared.'),
    text: z.string().max(maxWriteCharacters).describe('The whole new content of the file.'),
    if_hash: ifHashArgument,
  }),
  output: z.strictObject({ path: z.string(), bytes: z.int(), created: z.boolean(), hash: z.string() }),
  example: { path: 'notes/todo.md', text: '# To do\n\n- water the plants\n' },
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const { was, ...done } = await askHands(context, 'write', { path, text: input.text, ifHash: input.if_hash }, changeTimeoutMs)
    const changed = seen.replace(context.caller, path, was, done.hash) ? ` ${changedNote}: what it held is replaced.` : ''
    const created = done.created ? ', a new file' : ''
    return { output: { path, ...done }, text: `Wrote ${plural(done.bytes, 'byte')} to ${path}${created} (hash ${done.hash}).${changed}` }
  },
})

interface EditInput {
  path: string
  find: string
  replace: string
  all: boolean
  if_hash?: string | undefined
}
interface EditOutput {
  path: string
  replaced: number
  first_line: number
  hash: string
}

const fileEdit = (seen: SeenFiles): Call<EditInput, EditOutput> => ({
  ...changing,
  // A second time may find its text in what the first one wrote.
  effect: 'once',
  name: 'file.edit',
  summary: 'Replaces exact text in a file; the text must be there exactly once unless all is set.',
  input: z.strictObject({
    path: pathArgument.describe('File to edit. Relative paths start at /shared.'),
    find: z.string().min(1).max(maxWriteCharacters).describe('Text to replace, exactly as it stands in the file, without line numbers.'),
    replace: z.string().max(maxWriteCharacters).describe('Text to put there. Empty: the found text is taken out.'),
    all: z.boolean().default(false).describe('Replaces every occurrence instead of refusing when there is more than one.'),
    if_hash: ifHashArgument,
  }),
  output: z.strictObject({ path: z.string(), replaced: z.int(), first_line: z.int(), hash: z.string() }),
  example: { path: 'src/main.ts', find: 'const port = 80', replace: 'const port = 8080', all: false },
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const request = { path, find: input.find, replace: input.replace, all: input.all, ifHash: input.if_hash }
    const done = await askHands(context, 'edit', request, changeTimeoutMs)
    const where = done.replaced === 1 ? `at line ${done.firstLine}` : `the first at line ${done.firstLine}`
    const changed = seen.replace(context.caller, path, done.was, done.hash) ? ` ${changedNote}: only the text to find was replaced.` : ''
    return {
      output: { path, replaced: done.replaced, first_line: done.firstLine, hash: done.hash },
      text: `Replaced ${plural(done.replaced, 'occurrence')} in ${path}, ${where} (hash ${done.hash}).${changed}`,
    }
  },
})

interface DeleteInput {
  path: string
  recursive: boolean
}
interface DeleteOutput {
  path: string
  deleted: number
}

const fileDelete: Call<DeleteInput, DeleteOutput> = {
  ...changing,
  // What counts is that it is gone afterwards: a second time succeeds with nothing to do.
  effect: 'idempotent',
  name: 'file.delete',
  summary: 'Deletes a file, or a folder with all that is in it when recursive is set.',
  input: z.strictObject({
    path: pathArgument.describe('File or folder to delete. Relative paths start at /shared.'),
    recursive: z.boolean().default(false).describe('Needed for a folder that is not empty.'),
  }),
  output: z.strictObject({ path: z.string(), deleted: z.int() }),
  example: { path: 'build', recursive: true },
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    try {
      const done = await askHands(context, 'delete', { path, recursive: input.recursive }, changeTimeoutMs)
      return { output: { path, deleted: done.deleted }, text: `Deleted ${path} (${plural(done.deleted, 'entry', 'entries')}).` }
    } catch (error) {
      if (!isOxbowError(error, 'not_found')) throw error
      return { output: { path, deleted: 0 }, text: `${path} does not exist: nothing to delete.` }
    }
  },
}

// Calls that change which file holds what: a diff over many of them, and new names.

interface PatchInput {
  diff: string
  path: string
}
type PatchedPath = Omit<PatchedFile, 'was'>
interface PatchOutput {
  files: PatchedPath[]
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

const filePatch = (seen: SeenFiles): Call<PatchInput, PatchOutput> => ({
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
        hash: z.string(),
      }),
    ),
  }),
  example: { diff: exampleDiff, path: '/shared' },
  timeoutMs: patchTimeoutMs,
  async run(input, context) {
    const { files } = await askHands(context, 'patch', { path: toWorkspacePath(input.path), diff: input.diff }, patchTimeoutMs)
    const lines = files.map((file) => {
      const changed = seen.replace(context.caller, file.path, file.was, file.hash) ? ` ${changedNote}: only its hunks were applied.` : ''
      return patchedLine(file) + changed
    })
    return { output: { files: files.map(({ was: _was, ...file }) => file) }, text: lines.join('\n') }
  },
})

const verbs = { created: 'Created', changed: 'Changed', deleted: 'Deleted', moved: 'Moved' } as const

function patchedLine(file: PatchedPath): string {
  const name = file.change === 'moved' ? `${file.from} to ${file.path}` : file.path
  const shifted = file.shifted === 0 ? '' : `; ${plural(file.shifted, 'hunk')} stood at another line than the diff says`
  const hash = file.hash === '' ? '' : `, hash ${file.hash}`
  return `${verbs[file.change]} ${name} (+${file.added} -${file.removed}${hash})${shifted}.`
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

const fileMove: Call<MoveInput, MoveOutput> = {
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

/** Calls that create, change, move and delete files. */
import { z } from 'zod'
import { isOxbowError, plural } from '../../base/index.ts'
import { type Call, defineCall, evident, type PatchedFile } from '../../protocol/index.ts'
import { changeTimeoutMs, maxWriteCharacters, moveTimeoutMs, patchTimeoutMs } from '../limits.ts'
import { askHands, changing, overwriteField, pathArgument, pathField, type SeenFiles, toWorkspacePath } from '../workspace-arguments.ts'

/** @param seen the content that each session last read of a file, to report changes made by others since */
export function changeCalls(seen: SeenFiles): readonly Call[] {
  return [fileWrite(seen), fileEdit(seen), filePatch(seen), fileMove, fileDelete]
}

const ifHashArgument = z
  .string()
  .max(64)
  .optional()
  .describe('Change the file only if it still has this hash, as reads and changes report it.')

/** Added to the result when the file no longer held what this session last read. */
const changedNote = 'It had been changed by someone else since you last read it'

const fileWrite = (seen: SeenFiles): Call =>
  defineCall({
    ...changing,
    // Idempotent: the file is replaced as a whole.
    effect: 'idempotent',
    labels: { ...changing.labels, silent: ['text'] },
    name: 'file.write',
    does: ['overwrite'],
    routes: [{ method: 'PUT', path: '/files/{path+}' }],
    content: ['text'],
    reaches: { kind: 'paths', fields: ['path'] },
    summary: 'Creates or replaces a text file; creates missing folders.',
    input: z.strictObject({
      path: pathField,
      text: z.string().max(maxWriteCharacters).meta(evident('Complete new content of the file.')),
      if_hash: ifHashArgument,
    }),
    output: z.strictObject({ path: z.string(), bytes: z.int(), created: z.boolean(), hash: z.string() }),
    example: { path: 'notes/todo.md', text: '# To do\n\n- water the plants\n' },
    async run(input, context) {
      const path = toWorkspacePath(input.path)
      const { was, ...done } = await askHands(context, 'write', { path, text: input.text, ifHash: input.if_hash }, changeTimeoutMs)
      const changed = seen.replace(context.caller, path, was, done.hash) ? ` ${changedNote}: that content is replaced.` : ''
      const created = done.created ? ', a new file' : ''
      return { output: { path, ...done }, text: `Wrote ${plural(done.bytes, 'byte')} to ${path}${created} (hash ${done.hash}).${changed}` }
    },
  })

const fileEdit = (seen: SeenFiles): Call =>
  defineCall({
    ...changing,
    // Not idempotent: the new text may contain the text to find.
    effect: 'once',
    name: 'file.edit',
    does: ['overwrite'],
    routes: [{ method: 'PATCH', path: '/files/{path+}' }],
    content: ['find', 'replace'],
    reaches: { kind: 'paths', fields: ['path'] },
    summary: 'Replaces text in a file. It must match exactly and occur once, unless all is set.',
    input: z.strictObject({
      path: pathField,
      find: z.string().min(1).max(maxWriteCharacters).meta(evident('Text to replace, exactly as in the file, without line numbers.')),
      replace: z.string().max(maxWriteCharacters).meta(evident('Replacement text. Empty: delete the found text.')),
      all: z.boolean().default(false).meta(evident('Replace every occurrence instead of refusing when there is more than one.')),
      if_hash: ifHashArgument,
    }),
    output: z.strictObject({ path: z.string(), replaced: z.int(), first_line: z.int(), hash: z.string() }),
    example: { path: 'src/main.ts', find: 'const port = 80', replace: 'const port = 8080', all: false },
    async run(input, context) {
      const path = toWorkspacePath(input.path)
      const request = { path, find: input.find, replace: input.replace, all: input.all, ifHash: input.if_hash }
      const done = await askHands(context, 'edit', request, changeTimeoutMs)
      const where = done.replaced === 1 ? `at line ${done.firstLine}` : `the first at line ${done.firstLine}`
      const changed = seen.replace(context.caller, path, done.was, done.hash) ? ` ${changedNote}: only the found text was replaced.` : ''
      return {
        output: { path, replaced: done.replaced, first_line: done.firstLine, hash: done.hash },
        text: `Replaced ${plural(done.replaced, 'occurrence')} in ${path}, ${where} (hash ${done.hash}).${changed}`,
      }
    },
  })

const fileDelete = defineCall({
  ...changing,
  // Idempotent: deleting what is already gone succeeds.
  effect: 'idempotent',
  name: 'file.delete',
  does: ['delete'],
  routes: [{ method: 'DELETE', path: '/files/{path+}' }],
  lasting: 'unversioned',
  reaches: { kind: 'paths', fields: ['path'] },
  summary: 'Deletes a file; with recursive, a folder and its content.',
  input: z.strictObject({
    path: pathField,
    recursive: z.boolean().default(false).meta(evident('Required for a folder that is not empty.')),
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
})

type PatchedPath = Omit<PatchedFile, 'was'>
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

const filePatch = (seen: SeenFiles): Call =>
  defineCall({
    ...changing,
    // Not idempotent: the lines to change are gone after the first time.
    effect: 'once',
    name: 'file.patch',
    does: ['delete', 'overwrite'],
    routes: [{ method: 'POST', path: '/files/patch' }],
    summary: 'Applies a unified diff, as git writes it, to files: all or nothing.',
    input: z.strictObject({
      diff: z
        .string()
        .min(1)
        .max(maxWriteCharacters)
        .meta(
          evident(
            'Unified diff as git writes it: for each file, lines --- a/NAME and +++ b/NAME (/dev/null for none), then hunks. Context and removed lines must match the file exactly.',
          ),
        ),
      path: pathArgument.default('/shared').meta(evident('Folder that the names in the diff are relative to.')),
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
    recordOutput: ({ files }) => ({ files: files.flatMap(({ path, from }) => [path, ...(from === '' ? [] : [from])]) }),
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
  const shifted = file.shifted === 0 ? '' : `; ${plural(file.shifted, 'hunk')} applied at another line than the diff states`
  const hash = file.hash === '' ? '' : `, hash ${file.hash}`
  return `${verbs[file.change]} ${name} (+${file.added} -${file.removed}${hash})${shifted}.`
}

const fileMove = defineCall({
  ...changing,
  // Not idempotent: after the first time the source is gone.
  effect: 'once',
  name: 'file.move',
  does: ['delete', 'overwrite'],
  routes: [{ method: 'POST', path: '/files/move' }],
  reaches: { kind: 'paths', fields: ['from', 'to'] },
  lasting: 'unversioned',
  summary: 'Moves or renames a file or folder. `to` is the full new path.',
  input: z.strictObject({
    from: pathArgument.meta(evident('File or folder to move.')),
    to: pathArgument.meta(evident('Full new path, not the folder to move it into. Missing folders are created.')),
    overwrite: overwriteField,
  }),
  output: z.strictObject({ from: z.string(), to: z.string(), kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  example: { from: 'draft.md', to: 'notes/2026/plan.md', overwrite: false },
  timeoutMs: moveTimeoutMs,
  async run(input, context) {
    const from = toWorkspacePath(input.from)
    const to = toWorkspacePath(input.to)
    const done = await askHands(context, 'move', { from, to, overwrite: input.overwrite }, moveTimeoutMs)
    const replaced = done.replaced ? ', replacing the existing file' : ''
    return { output: { from, to, ...done }, text: `Moved the ${done.kind} ${from} to ${to}${replaced}.` }
  },
})

/** Calls that change what one file holds, or that it is there. */
import { z } from 'zod'
import { isOxbowError } from '../../types/index.ts'
import type { Call } from '../../types/index.ts'
import { changeTimeoutMs, maxWriteCharacters } from '../limits.ts'
import { askHands, pathArgument, plural, toWorkspacePath } from '../workspace-arguments.ts'
import { changing } from './call-facts.ts'

interface WriteInput {
  path: string
  text: string
}
interface WriteOutput {
  path: string
  bytes: number
  created: boolean
}

export const fileWrite: Call<WriteInput, WriteOutput> = {
  ...changing,
  // Written whole or not at all: a second time leaves the same file.
  effect: 'idempotent',
  name: 'file.write',
  summary: 'Writes a text file, new or in place of the old one; missing folders are made.',
  input: z.strictObject({
    path: pathArgument.describe('File to write. Relative paths start at /shared.'),
    text: z.string().max(maxWriteCharacters).describe('The whole new content of the file.'),
  }),
  output: z.strictObject({ path: z.string(), bytes: z.int(), created: z.boolean() }),
  example: { path: 'notes/todo.md', text: '# To do\n\n- water the plants\n' },
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const done = await askHands(context, 'write', { path, text: input.text }, changeTimeoutMs)
    return { output: { path, ...done }, text: `Wrote ${plural(done.bytes, 'byte')} to ${path}${done.created ? ', a new file' : ''}.` }
  },
}

interface EditInput {
  path: string
  find: string
  replace: string
  all: boolean
}
interface EditOutput {
  path: string
  replaced: number
  first_line: number
}

export const fileEdit: Call<EditInput, EditOutput> = {
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
  }),
  output: z.strictObject({ path: z.string(), replaced: z.int(), first_line: z.int() }),
  example: { path: 'src/main.ts', find: 'const port = 80', replace: 'const port = 8080', all: false },
  async run(input, context) {
    const path = toWorkspacePath(input.path)
    const request = { path, find: input.find, replace: input.replace, all: input.all }
    const done = await askHands(context, 'edit', request, changeTimeoutMs)
    const where = done.replaced === 1 ? `at line ${done.firstLine}` : `the first at line ${done.firstLine}`
    return {
      output: { path, replaced: done.replaced, first_line: done.firstLine },
      text: `Replaced ${plural(done.replaced, 'occurrence')} in ${path}, ${where}.`,
    }
  },
}

interface DeleteInput {
  path: string
  recursive: boolean
}
interface DeleteOutput {
  path: string
  deleted: number
}

export const fileDelete: Call<DeleteInput, DeleteOutput> = {
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

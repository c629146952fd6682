/** A package of a program as calls show it, before it is installed. */
import { z } from 'zod'
import { definitionName, maxSource } from '../../../config/index.ts'

const lines = z.array(z.string()).readonly()

export const packageView = z.strictObject({
  program: z.string(),
  version: z.string(),
  description: z.string(),
  source: z.string().describe('Where it is from, with what pins it.'),
  hash: z.string().describe('Over all of its files.'),
  signed_by: z.string().describe('Fingerprint of the key that has signed all of its files; empty: nobody has.'),
  kind: z.enum(['script', 'module', 'agent']),
  files: z.int(),
  bytes: z.int(),
  may: lines.describe('Its rights, for people, one a line.'),
  added: lines.describe('What the installed version may not do.'),
  removed: lines,
  installed: z.string().describe('The installed version; empty: it is new.'),
  same: z.boolean().describe('The installed version has the same files.'),
  reasons: lines.describe('What to think of before saying yes.'),
  difference: z.string().describe('Of the files that count, from the installed version to this one.'),
  problems: lines.describe('Why it cannot run; empty: it can.'),
  warnings: lines,
  tests: z.int().describe('Cases of tests that it has.'),
  tested: z.int().describe('Cases that have passed just now.'),
  hides: z.enum(['bundled', 'own', '']).describe('What of its name does not count any more: a program of Oxbow, or a folder of yours.'),
})
export type PackageView = z.infer<typeof packageView>

const source = z
  .string()
  .max(maxSource)
  .default('')
  .describe(
    'A folder, an archive with #sha256=HASH, npm:NAME@VERSION, git+URL#TAG, or an address. Empty: where the installed version is from.',
  )
  .refine(
    (text) => text === '' || /^(?:\/|npm:|git\+|https?:)/.test(text),
    'must be an absolute path, npm:NAME@VERSION, git+URL or an address',
  )
const only = z
  .string()
  .regex(definitionName, 'must be a plain name')
  .optional()
  .describe('The program that is updated: the package may have no other.')

export const packageAsk = z.strictObject({ source, program: only })

export type PackageAsk = z.infer<typeof packageAsk>

/** Plants types that repeat schemas, and sees exactly those reported. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { readTree } from './source-tree.ts'
import { checkTwins } from './twins.ts'

const files = {
  'package.json': '{}',
  'src/kernel/schema.ts': `import { z } from 'zod'
export const line = z.strictObject({ id: z.string(), 'name': z.string(), at: z.number() }).readonly()
export const pair = z.array(z.object({ key: z.string(), value: z.string() }))
export const rest = z.object({ ...line.shape, more: z.string() })
`,
  'src/kernel/twins.ts': `export interface Line { readonly at: number; readonly id: string; readonly name: string }
export type Alias = { id: string; name?: string; at: number }
export interface Pair { key: string; value: string }
`,
  'src/cli/twins.ts': `export interface Other { at: number; id: string; name: string }\n`,
  // Two fields in another module, one field more, a method, what is inherited, and a spread that nobody can read.
  'src/cli/none.ts': `export interface Pair { key: string; value: string }
export interface More { at: number; id: string; name: string; more: string }
export interface Port { at: number; id: string; name(): string }
export interface Longer extends Pair { at: number; id: string; name: string }
export interface Rest { id: string; more: string }
`,
  'src/cli/none.test.ts': `export interface Seen { at: number; id: string; name: string }\n`,
}

void test('a type that repeats a schema is found, wherever it stands, and no other', () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-twins-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const found = checkTwins(readTree(root)).map(({ path, what }) => `${path} ${/: (\w+) has/.exec(what)?.[1]}`)
    assert.deepEqual(found, ['src/cli/twins.ts Other', 'src/kernel/twins.ts Line', 'src/kernel/twins.ts Alias', 'src/kernel/twins.ts Pair'])
  } finally {
    rmSync(root, { recursive: true })
  }
})

/** Checks the real tree against the module rules. The table is `architecture/modules.ts`; `architecture/violations.test.ts` plants each kind of violation. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTree } from './architecture/check-tree.ts'
import { modules } from './architecture/modules.ts'
import { waivers } from './architecture/waivers.ts'
import { depthRules } from './architecture/small-files.ts'
import { readTree } from './architecture/source-tree.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

void test('the source tree follows the rules for modules, sizes, names and packages', () => {
  const violations = checkTree(readTree(root), modules, waivers, depthRules)
  assert.ok(violations.length === 0, violations.map(({ rule, path, what }) => `\n${rule}: ${path}: ${what}`).join(''))
})

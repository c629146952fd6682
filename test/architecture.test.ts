/** Checks the real tree against the module rules. The table is `architecture/modules.ts`; `architecture/violations.test.ts` plants each kind of violation. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTree } from './architecture/check-tree.ts'
import { checkCore, coreNow, grownFiles } from './architecture/core-shape.ts'
import { modules } from './architecture/modules.ts'
import { findForeignLookups } from './architecture/foreign-lookups.ts'
import { waivers } from './architecture/waivers.ts'
import { depthRules } from './architecture/small-files.ts'
import { readTree, type SourceTree } from './architecture/source-tree.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

void test('the source tree follows the rules for modules, sizes, names and packages', () => {
  const violations = checkTree(readTree(root), modules, waivers, depthRules)
  assert.ok(violations.length === 0, violations.map(({ rule, path, what }) => `\n${rule}: ${path}: ${what}`).join(''))
})

void test('the kernel comes nearer to a core that knows no service', () => {
  const tree = readTree(root)
  const violations = checkCore(tree, coreNow)
  if (violations.length === 0) return
  const grown = readBefore((before) => grownFiles(before, tree))
  assert.fail([...violations.map(({ path, what }) => `${path}: ${what}`), ...grown].map((line) => `\n${line}`).join(''))
})

/** Reads the tree where this branch left main, or as it was committed last; nothing where git cannot tell. */
function readBefore(read: (before: SourceTree) => readonly string[]): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-before-'))
  try {
    const git = (...args: readonly string[]) => spawnSync('git', args, { cwd: root, maxBuffer: 2 ** 30 })
    const left = git('merge-base', 'HEAD', 'main')
    const archive = git('archive', left.status === 0 ? left.stdout.toString().trim() : 'HEAD', 'src', 'web', 'package.json')
    if (archive.status !== 0) return []
    execFileSync('tar', ['-x', '-C', folder], { input: archive.stdout })
    return read(readTree(folder))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Product code as the compiler sees it: a page's code has its own configuration. */
const configs = ['tsconfig.json', 'web/tsconfig.json'].map((name) => `${root}${name}`)

void test('no product code looks up a name of somebody else among what every object inherits', () => {
  const isProduct = (path: string): boolean => /^(?:src|web\/src)\//.test(path) && !/\.test\.|-fixture\.|\.d\.ts$/.test(path)
  const found = findForeignLookups(root, configs, isProduct)
  assert.ok(found.length === 0, found.map(({ path, line, text }) => `\n${path}:${line}: ${text}: use ownValue, setOwn or a map`).join(''))
})

/** What a start of the guest loads. Schemas are a third of it, so they come with the first call, see docs/decisions/2026-11-22-loaded-with-the-first.md. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../src', import.meta.url))
const imports = /^(?:import|export)\s+(?!type\b)(?:[^'"]*?from\s+)?['"]([^'"]+)['"]/gms

/** In the sources a public API brings them along; the bundle leaves out what a start does not use of it. */
const shaken = /^types\/|^kernel\/(?:call-reference|cadence|budgets\/definitions)\.ts$/

/** @returns the files that are loaded with this one, without those of imports of types and imports at run time */
function loadedWith(entry: string): ReadonlySet<string> {
  const found = new Set([entry])
  for (const file of found) {
    for (const [statement, specifier = ''] of readFileSync(file, 'utf8').matchAll(imports)) {
      const named = /\{([^}]*)\}/.exec(statement)?.[1]?.split(',') ?? ['all']
      const isTypes = named.every((name) => /^\s*(type\s|$)/.test(name))
      if (specifier.startsWith('.') && specifier.endsWith('.ts') && !isTypes) found.add(join(dirname(file), specifier))
    }
  }
  return found
}

test('a start of the guest loads no schemas', () => {
  const files = [...loadedWith(join(root, 'guest', 'guest.ts'))]
  assert.ok(files.length > 50, 'the imports are found')
  const withSchemas = files.filter((file) => readFileSync(file, 'utf8').includes("from 'zod'")).map((file) => relative(root, file))
  const loaded = withSchemas.filter(
    (file) => !shaken.test(file) && !/import type [^\n]* from 'zod'/.test(readFileSync(join(root, file), 'utf8')),
  )
  assert.deepEqual(loaded, [])
})

test('what a start takes of the types comes from files without schemas', () => {
  const types = ['config.ts', 'frame.ts', 'guest.ts'].map((name) => readFileSync(join(root, 'types', name), 'utf8'))
  const values = new Set(types.flatMap((text) => [...text.matchAll(/^export (?:const|function) (\w+)/gm)].map(([, name]) => name)))
  const files = [...loadedWith(join(root, 'guest', 'guest.ts'))].filter((file) => !shaken.test(relative(root, file)))
  const taken = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^import \{([^}]*)\} from '[./]*types\/index\.ts'/gm)]
      .flatMap(([, names = '']) => names.split(',').map((name) => name.trim()))
      .filter((name) => values.has(name))
      .map((name) => `${relative(root, file)}: ${name}`),
  )
  assert.deepEqual(taken, [])
})

/** What a start of the guest loads. Schemas are a third of it, so they come with the first call, see docs/decisions/2026-11-22-loaded-with-the-first.md. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../src', import.meta.url))
const imports = /^(?:import|export)\s+(?!type\b)(?:[^'"]*?from\s+)?['"]([^'"]+)['"]/gms

/** In the sources a public API brings them along; the bundle leaves out what a start does not use of it. */
const shaken = /^types\//

/** @returns the values that a statement names; null: all */
function valuesIn(statement: string): ReadonlySet<string> | null {
  const named = /\{([^}]*)\}/.exec(statement)?.[1]?.split(',')
  if (named === undefined) return null
  return new Set(named.map((name) => name.trim().split(' as ')[0]!).filter((name) => name !== '' && !name.startsWith('type ')))
}

/**
 * @returns the files that are loaded with this one, without those of imports of types, of imports at run time, and of what a public API
 * exports and nobody here takes
 */
function loadedWith(entry: string): ReadonlySet<string> {
  const found = new Set([entry])
  const taken = new Map<string, Set<string>>()
  const visit = (file: string, names: ReadonlySet<string> | null): void => {
    const isApi = file.endsWith('/index.ts') && names !== null
    const before = taken.get(file)
    if (before !== undefined && (!isApi || [...names].every((name) => before.has(name)))) return
    taken.set(file, new Set([...(before ?? []), ...(names ?? [])]))
    found.add(file)
    for (const [statement, specifier = ''] of readFileSync(file, 'utf8').matchAll(imports)) {
      if (!specifier.startsWith('.') || !specifier.endsWith('.ts')) continue
      const values = valuesIn(statement)
      if (values?.size === 0) continue
      const isLeft = isApi && statement.startsWith('export') && values !== null && ![...values].some((name) => names.has(name))
      if (!isLeft) visit(join(dirname(file), specifier), values)
    }
  }
  visit(entry, null)
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

test('a start takes of services only what they say of themselves', () => {
  const files = [...loadedWith(join(root, 'guest', 'guest.ts'))].map((file) => relative(root, file))
  const ofServices = files.filter((file) => file.startsWith('services/'))
  assert.ok(ofServices.includes('services/versions/service.ts'), 'the imports are found')
  assert.deepEqual(
    // And the names of their documents.
    ofServices.filter((file) => !/(?:^|\/)(?:index|service|limits|[\w-]+-record)\.ts$/.test(file)),
    [],
  )
})

test('what the sources start as a thread is there', () => {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )
  const named = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/'(\.\/[\w/-]+-worker\.ts)'/g)].map(([, worker = '']) =>
      join(dirname(join(root, file)), worker),
    ),
  )
  assert.ok(named.length > 5, 'the threads are found')
  assert.deepEqual(
    named.filter((worker) => !existsSync(worker)),
    [],
  )
})

/** Checks the table itself: its order, its agreement with package.json, and that each permission is used. */
import type { ModuleRow } from './modules.ts'
import { borrowed, layers, tools } from './modules.ts'
import { builtinOf, packageOf } from './import-rules.ts'
import type { SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

const table = 'test/architecture/modules.ts'

/** A row names only rows below it, in its own layer or a lower one, so that no two modules can need each other. */
export function checkTable(modules: readonly ModuleRow[]): readonly Violation[] {
  const place = new Map(modules.map((row, i) => [row.module, i]))
  return modules.flatMap((row, i) =>
    row.imports.flatMap((name): Violation[] => {
      const at = place.get(name) ?? -1
      const target = modules[at]
      const isBelow = target !== undefined && at > i && layers.indexOf(target.layer) <= layers.indexOf(row.layer)
      return isBelow ? [] : [{ rule: 'table_out_of_order', path: table, what: `${row.module} names ${name}, which is not below it` }]
    }),
  )
}

/** package.json and the table name the same packages, each in its place, each with an exact version. */
export function checkManifest(tree: SourceTree, modules: readonly ModuleRow[]): readonly Violation[] {
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = tree.manifest
  const product = new Set(modules.flatMap((row) => Object.keys(row.packages)))
  // What a module names and can do without is optional there too; the rest of the optional ones are tools of one platform.
  const optional = Object.entries(optionalDependencies)
  const parts = Object.fromEntries(optional.filter(([name]) => product.has(name)))
  const development = { ...devDependencies, ...Object.fromEntries(optional.filter(([name]) => !product.has(name))) }
  const support = new Set([
    ...Object.keys(tools),
    ...modules.flatMap((row) => [...Object.keys(row.typePackages), ...Object.keys(row.buildTime)]),
  ])
  const found: Violation[] = []
  const compare = (listed: Readonly<Record<string, string>>, named: ReadonlySet<string>, where: string): void => {
    for (const name of Object.keys(listed)) {
      if (!named.has(name)) found.push({ rule: 'unnamed_dependency', path: 'package.json', what: `no row names ${name} (${where})` })
    }
    for (const name of named) {
      const isBorrowed = borrowed[name] !== undefined && listed[borrowed[name]] !== undefined
      if (listed[name] === undefined && !isBorrowed)
        found.push({ rule: 'missing_dependency', path: 'package.json', what: `${where} lacks ${name}` })
    }
  }
  compare({ ...dependencies, ...parts }, product, 'dependencies')
  compare(development, support, 'devDependencies')
  for (const [name, version] of Object.entries({ ...dependencies, ...parts, ...development })) {
    if (!/^(?:npm:[\w@/.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      found.push({ rule: 'inexact_version', path: 'package.json', what: `${name} ${version}` })
  }
  return found
}

/** Reports a package or builtin that a row allows and its module does not import. */
export function checkPermissions(tree: SourceTree, modules: readonly ModuleRow[]): readonly Violation[] {
  return modules.flatMap((row) => {
    const used = new Set(
      tree.files
        .filter((file) => file.module === row.module && !file.isTest)
        .flatMap((file) => file.imports.map((fact) => fact.specifier ?? ''))
        .flatMap((specifier) => [packageOf(specifier), builtinOf(specifier)]),
    )
    return [...Object.keys(row.packages), ...Object.keys(row.typePackages), ...Object.keys(row.buildTime), ...Object.keys(row.builtins)]
      .filter((name) => !used.has(name))
      .map((name): Violation => ({ rule: 'unused_permission', path: table, what: `${row.module} may import ${name} and does not` }))
  })
}

/** Holds the table itself to account: in order, against package.json, and with no permission that nobody uses. */
import type { Room } from './house.ts'
import { borrowed, floors, tools } from './house.ts'
import { builtinOf, packageOf } from './import-rules.ts'
import type { SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

const table = 'test/architecture/house.ts'

/** A row names only rows below it, on its own floor or a lower one: then no two rooms can need each other. */
export function checkTable(house: readonly Room[]): readonly Violation[] {
  const place = new Map(house.map((row, i) => [row.room, i]))
  return house.flatMap((row, i) =>
    row.imports.flatMap((name): Violation[] => {
      const at = place.get(name) ?? -1
      const target = house[at]
      const isBelow = target !== undefined && at > i && floors.indexOf(target.floor) <= floors.indexOf(row.floor)
      return isBelow ? [] : [{ rule: 'table_out_of_order', path: table, what: `${row.room} names ${name}, which is not below it` }]
    }),
  )
}

/** package.json and the table name the same packages, each in its place, each with an exact version. */
export function checkManifest(tree: SourceTree, house: readonly Room[]): readonly Violation[] {
  const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = tree.manifest
  const product = new Set(house.flatMap((row) => Object.keys(row.packages)))
  // What a room names and can do without is optional there too; the rest of the optional ones are tools of one platform.
  const optional = Object.entries(optionalDependencies)
  const parts = Object.fromEntries(optional.filter(([name]) => product.has(name)))
  const development = { ...devDependencies, ...Object.fromEntries(optional.filter(([name]) => !product.has(name))) }
  const support = new Set([...Object.keys(tools), ...house.flatMap((row) => Object.keys(row.typePackages))])
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
    if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      found.push({ rule: 'inexact_version', path: 'package.json', what: `${name} ${version}` })
  }
  return found
}

/** A package or builtin that a row allows and its room does not import is a door left open. */
export function checkPermissions(tree: SourceTree, house: readonly Room[]): readonly Violation[] {
  return house.flatMap((row) => {
    const used = new Set(
      tree.files
        .filter((file) => file.room === row.room && !file.isTest)
        .flatMap((file) => file.imports.map((fact) => fact.specifier ?? ''))
        .flatMap((specifier) => [packageOf(specifier), builtinOf(specifier)]),
    )
    return [...Object.keys(row.packages), ...Object.keys(row.typePackages), ...Object.keys(row.builtins)]
      .filter((name) => !used.has(name))
      .map((name): Violation => ({ rule: 'unused_permission', path: table, what: `${row.room} may import ${name} and does not` }))
  })
}

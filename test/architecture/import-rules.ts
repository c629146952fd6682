/** What a module may import: public APIs of lower modules, and the packages and builtins that its row names. No cycles. */
import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import type { ModuleRow } from './modules.ts'
import { browserEntries, builtinsOfNote, composers, contractPackages, foundations, pureFactories, portModules } from './modules.ts'
import type { ImportFact } from './source-parse.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { RuleName, Violation } from './violation.ts'

/** Factories of implementations, by the names that this code base gives them. */
const factoryPattern = /^(?:create|open|start|make|connect|launch|build)[A-Z]/

export function checkImports(tree: SourceTree, modules: readonly ModuleRow[]): readonly Violation[] {
  const rows = new Map(modules.map((row) => [row.module, row]))
  return tree.files
    .filter((file) => (file.path.startsWith('src/') || file.module === 'web') && !file.isTest)
    .flatMap((file) => {
      const row = file.module === null ? undefined : rows.get(file.module)
      if (row === undefined) return [report(file, 'module_without_layer', 1, 'is in no module of the table')]
      return file.imports.flatMap((fact) => checkImport(file, row, fact))
    })
}

function checkImport(file: SourceFile, row: ModuleRow, fact: ImportFact): readonly Violation[] {
  const { specifier } = fact
  if (specifier === null) return [report(file, 'computed_import', fact.line, 'imports a path that is computed at run time')]
  if (specifier.startsWith('.')) return checkRelative(file, row, fact, posix.join(posix.dirname(file.path), specifier))
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) return checkBuiltin(file, row, fact, specifier)
  if (fact.kind === 'entry' && !/^[@\w]/.test(specifier)) return []
  return checkPackage(file, row, fact, packageOf(specifier))
}

function checkRelative(file: SourceFile, row: ModuleRow, fact: ImportFact, target: string): readonly Violation[] {
  const [top, module] = target.split('/')
  // The manifest is read, not imported: it contains the version, next to the sources and next to the bundle.
  if (fact.kind === 'entry' && posix.basename(target) === 'package.json') return []
  if (!file.isSupport && /(?:\.test|-fixture|-contract)\.ts$/.test(target)) {
    return [report(file, 'needs_test_code', fact.line, `needs ${target}, which is only for tests`)]
  }
  if (file.module === 'web' && target.startsWith('web/src/')) return []
  if (top !== 'src' || module === undefined) return [report(file, 'leaves_source', fact.line, `imports ${target}`)]
  if (module === row.module) return []
  if (fact.kind === 'entry' && row.starts[target] !== undefined) return []
  if (!(foundations.has(module) && !foundations.has(row.module)) && !row.imports.includes(module)) {
    return [report(file, 'wrong_direction', fact.line, `${row.module} may not import ${module} (${target})`)]
  }
  const found: Violation[] = []
  const publicApi = (file.module === 'web' ? browserEntries[module] : undefined) ?? `src/${module}/index.ts`
  if (target !== publicApi) found.push(report(file, 'past_public_api', fact.line, `imports ${target}, past the public API of ${module}`))
  const factory = fact.names.find(
    (name) => (factoryPattern.test(name) && !pureFactories.has(name)) || (name === '*' && fact.kind !== 'entry'),
  )
  if (factory !== undefined && portModules.has(module) && !composers.has(row.module)) {
    found.push(report(file, 'names_implementation', fact.line, `imports ${factory} of ${module}; take the port as an argument`))
  }
  return found
}

function checkBuiltin(file: SourceFile, row: ModuleRow, fact: ImportFact, specifier: string): readonly Violation[] {
  const name = builtinOf(specifier)
  const found: Violation[] = []
  if (file.module === 'web') found.push(report(file, 'builtin_not_allowed', fact.line, `a page has no ${name}`))
  const isHttp = name === 'node:http' || name === 'node:https'
  if (isHttp && fact.kind === 'static' && !fact.typeOnly) {
    found.push(report(file, 'static_http', fact.line, `loads undici at start (+45 ms): process.getBuiltinModule('${name}')`))
  }
  if (!specifier.startsWith('node:')) found.push(report(file, 'builtin_not_allowed', fact.line, `write node:${specifier}`))
  if (builtinsOfNote.has(name) && !fact.typeOnly && row.builtins[name] === undefined) {
    found.push(report(file, 'builtin_not_allowed', fact.line, `${row.module} has no reason for ${name}`))
  }
  return found
}

function checkPackage(file: SourceFile, row: ModuleRow, fact: ImportFact, name: string): readonly Violation[] {
  if (row.packages[name] !== undefined || row.buildTime[name] !== undefined) return []
  if (file.isSupport && contractPackages.has(name)) return []
  if (row.typePackages[name] !== undefined) {
    return fact.typeOnly ? [] : [report(file, 'package_not_allowed', fact.line, `${row.module} may import only types of ${name}`)]
  }
  return [report(file, 'package_not_allowed', fact.line, `${row.module} has no reason for ${name}`)]
}

/** Cycles between product files, each reported once. Type-only imports count: two files that need each other are one file. */
export function checkCycles(tree: SourceTree): readonly Violation[] {
  const targets = (path: string): readonly string[] =>
    (tree.byPath.get(path)?.imports ?? [])
      .filter((fact) => fact.specifier?.startsWith('.') === true && fact.kind !== 'entry')
      .map((fact) => posix.join(posix.dirname(path), fact.specifier ?? ''))
  const found: Violation[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at !== -1) found.push({ rule: 'cycle', path, what: [...trail.slice(at), path].join(' → ') })
    if (at !== -1 || done.has(path) || !tree.byPath.has(path)) return
    for (const target of targets(path)) visit(target, [...trail, path])
    done.add(path)
  }
  for (const file of tree.files) if (!file.isTest) visit(file.path, [])
  return found
}

/** `@scope/name/deep` → `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** `fs/promises` and `node:fs/promises` → `node:fs`. */
export function builtinOf(specifier: string): string {
  return `node:${packageOf(specifier.replace(/^node:/, ''))}`
}

const report = (file: SourceFile, rule: RuleName, line: number, what: string): Violation => ({
  rule,
  path: file.path,
  what: `line ${line}: ${what}`,
})

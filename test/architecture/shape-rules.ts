/** Sizes, names and syntax. */
import { posix } from 'node:path'
import { caps } from './modules.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

export function checkSizes(tree: SourceTree): readonly Violation[] {
  const found: Violation[] = []
  for (const { path, lines, functions } of tree.files) {
    if (lines > caps.fileLines) found.push({ rule: 'file_too_long', path, what: `${lines} lines, cap ${caps.fileLines}` })
    for (const { name, line, lines: length } of functions) {
      if (length > caps.functionLines) {
        found.push({ rule: 'function_too_long', path, what: `line ${line}: ${name} has ${length} lines, cap ${caps.functionLines}` })
      }
    }
  }
  return found
}

export interface DepthRules {
  readonly deepModules: ReadonlySet<string>
  /** Path to reason. */
  readonly smallFiles: Readonly<Record<string, string>>
}

/** Names of files that are small by nature. */
const smallByName = /(?:^|\/)(?:index|limits|main|[\w-]+-(?:main|worker))\.[cm]?[jt]s$/

/** Reports small files without a reason, and reasons that excuse nothing. */
export function checkDepth(tree: SourceTree, { deepModules, smallFiles }: DepthRules): readonly Violation[] {
  const importers = importersOf(tree)
  const slices = tree.files.flatMap((file): Violation[] => {
    const { path, module, lines } = file
    if (module === null || !deepModules.has(module) || file.isTest || file.isSupport || smallByName.test(path)) return []
    const [importer, ...others] = importers.get(path) ?? []
    const isSlice = lines < caps.sliceLines && importer !== undefined && others.length === 0 && sameFolder(importer, path)
    if (lines >= caps.shallowLines && !isSlice) return []
    const what = lines < caps.shallowLines ? `${lines} lines` : `${lines} lines, imported only by ${importer}`
    return [{ rule: 'file_too_small', path, what: `${what}: merge it, or give its reason in test/architecture/small-files.ts` }]
  })
  const small = new Set(slices.map(({ path }) => path))
  const unused = Object.keys(smallFiles).filter((path) => !small.has(path))
  return [
    ...slices.filter(({ path }) => smallFiles[path] === undefined),
    ...unused.map((path): Violation => ({ rule: 'unused_waiver', path, what: 'has a reason to be small and needs none' })),
  ]
}

/** Product files that import each file, statically or not. */
function importersOf(tree: SourceTree): ReadonlyMap<string, readonly string[]> {
  const importers = new Map<string, Set<string>>()
  for (const file of tree.files) {
    if (file.isTest || file.isSupport || !file.path.startsWith('src/')) continue
    for (const target of importedBy(file)) importers.set(target, (importers.get(target) ?? new Set()).add(file.path))
  }
  return new Map([...importers].map(([path, from]) => [path, [...from]]))
}

function importedBy({ path, imports }: SourceFile): readonly string[] {
  return imports
    .filter(({ specifier }) => specifier?.startsWith('.') === true)
    .map(({ specifier }) => posix.join(posix.dirname(path), specifier ?? ''))
}

function sameFolder(a: string, b: string): boolean {
  return posix.dirname(a) === posix.dirname(b)
}

export function checkFolders(tree: SourceTree): readonly Violation[] {
  const found: Violation[] = []
  const counts = new Map<string, number>()
  for (const { path, isSupport } of tree.files) {
    const folder = posix.dirname(path)
    const isCounted = !isSupport && !/(?:\.test|-fixture)\.[cm]?[jt]sx?$/.test(path)
    counts.set(folder, (counts.get(folder) ?? 0) + (isCounted ? 1 : 0))
  }
  for (const [path, count] of counts) {
    if (count > caps.folderFiles) found.push({ rule: 'folder_too_full', path, what: `${count} files, cap ${caps.folderFiles}` })
    const levels = path.split('/').length - 2
    if (path.startsWith('src/') && levels > caps.levelsUnderModule) {
      found.push({ rule: 'folder_too_deep', path, what: `${levels} levels under its module, cap ${caps.levelsUnderModule}` })
    }
  }
  return found
}

const emptyWords: ReadonlySet<string> = new Set(['util', 'utils', 'helper', 'helpers', 'manager', 'managers', 'common', 'misc'])

/** A file or folder name says what is in it; these words say nothing. */
export function checkNames(tree: SourceTree): readonly Violation[] {
  const names = new Set(tree.files.flatMap(({ path }) => [path, ...foldersOf(path)]))
  return [...names].flatMap((path): Violation[] => {
    const word = posix
      .basename(path)
      .split(/[-_.]|(?<=[a-z])(?=[A-Z])/)
      .find((part) => emptyWords.has(part.toLowerCase()))
    return word === undefined ? [] : [{ rule: 'forbidden_name', path, what: `“${word}” says nothing` }]
  })
}

function foldersOf(path: string): readonly string[] {
  const parts = path.split('/')
  return parts.slice(1, -1).map((_, i) => parts.slice(0, i + 2).join('/'))
}

export function checkSyntax(tree: SourceTree): readonly Violation[] {
  return tree.files.flatMap((file) => {
    const isProduct = file.path.startsWith('src/') && !file.isTest
    const undescribed = file.syntax.filter(({ kind }) => kind === 'undescribed_output').length
    const outputs = { rule: 'undescribed_output', path: file.path, what: `${undescribed} outputs without a schema` } as const
    const others = file.syntax.flatMap((fact): Violation[] => {
      const what = `line ${fact.line}: ${fact.what}`
      // What happens later is a run: it survives a restart, and another guest does not do it too.
      if (fact.kind === 'timer')
        return file.module !== null && runsModules.has(file.module) && isProduct && !ownTimers.has(file.path)
          ? [{ rule: 'timer_in_service', path: file.path, what: `${what}: use runs` }]
          : []
      if (fact.kind === 'undescribed_output') return []
      if (fact.kind === 'maybe_promise')
        return isProduct && !file.isSupport ? [{ rule: 'maybe_promise', path: file.path, what: `${what}: return a promise` }] : []
      if (fact.kind === 'left_over_note') return [{ rule: 'left_over_note', path: file.path, what }]
      if (fact.kind !== 'mutable_module_state') return [{ rule: 'forbidden_syntax', path: file.path, what: `${what} (${fact.kind})` }]
      return isProduct ? [{ rule: 'mutable_module_state', path: file.path, what }] : []
    })
    return isProduct && undescribed > 0 ? [...others, outputs] : others
  })
}

/** Modules that do later what they do by runs. */
const runsModules: ReadonlySet<string> = new Set(['services', 'runs'])

/** Files with timers of their own, by why `Timers` would be wrong there. */
const ownTimers: ReadonlyMap<string, string> = new Map([
  ['src/runs/timing.ts', 'is `Timers`'],
  ['src/runs/lease.ts', 'renews by the monotonic clock: a wall clock that is set back would let the lease run out'],
  ['src/runs/service.ts', 'takes the first sample later, before anything of runs is loaded'],
  ['src/runs/queue.ts', 'asks again soon whether the machine is overloaded, which no document waits for'],
  ['src/services/follow-records.ts', 'gives records to readers some times a second, without loading runs; the rest at the end'],
  ['src/services/telemetry/exporter.ts', 'waits for a collector: what that does not take is dropped, and no restart makes up for it'],
  ['src/runs/resources.ts', 'measures by how much a timer of the event loop is late'],
])

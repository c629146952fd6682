/** What may only become less: how far the kernel still is from a core that knows no service. Each number is held from above and from below. */
import { posix } from 'node:path'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

export interface CoreShape {
  /** Product files and lines of `src/kernel`. */
  readonly files: number
  readonly lines: number
  /** Folders of `src/kernel` in circles of imports, types included. */
  readonly circularFolders: number
  /**
   * Where something is decided by the name of a call that another area describes, by module: a comparison, a list, a key of a map. Who makes
   * a call must name it, and the compiler knows the name; see docs/decisions/2026-11-25-names-of-calls.md.
   */
  readonly decidesByName: Readonly<Record<string, number>>
  /** Product files that name the call of a message themselves, instead of asking `src/protocol/turn/turn-record.ts` or `turn-fold.ts`. */
  readonly namesTurn: number
}

/** The call whose records, with those below it, are a turn. */
const turnCall = 'turn.send'

/** Where it stands. */
export const coreNow: CoreShape = {
  files: 45,
  lines: 10_175,
  circularFolders: 0,
  decidesByName: {},
  namesTurn: 1,
}

/** Types only, written from the descriptions of the calls: nobody decides by a name in it. */
const generatedTypes: ReadonlySet<string> = new Set(['src/protocol/call-types.ts', 'src/protocol/call-names.ts'])

function productOf(tree: SourceTree): readonly SourceFile[] {
  return tree.files.filter(({ path, module, isTest, isSupport }) => module !== null && !isTest && !isSupport && !generatedTypes.has(path))
}

export function measureCore(tree: SourceTree): CoreShape {
  const product = productOf(tree)
  const kernel = product.filter(({ module }) => module === 'kernel')
  return {
    files: kernel.length,
    lines: kernel.reduce((sum, { lines }) => sum + lines, 0),
    circularFolders: circularFolders(kernel).length,
    decidesByName: decidesByName(product),
    namesTurn: product.filter(({ dottedNames }) => dottedNames.some(({ text }) => text === turnCall)).length,
  }
}

/** @returns where a number is over what is allowed, and where it has become less, so that it is written down */
export function checkCore(tree: SourceTree, most: CoreShape): readonly Violation[] {
  const now = measureCore(tree)
  const modules = [...new Set([...Object.keys(now.decidesByName), ...Object.keys(most.decidesByName)])]
  const rows: readonly (readonly [what: string, is: number, allowed: number, slack?: number])[] = [
    ['product files of src/kernel', now.files, most.files],
    // Lines come and go with every change.
    ['product lines of src/kernel', now.lines, most.lines, 500],
    ['folders in circles of imports', now.circularFolders, most.circularFolders],
    [`files that name ${turnCall}`, now.namesTurn, most.namesTurn],
    ...modules.map(
      (module) =>
        [`names of other calls that ${module} decides by`, now.decidesByName[module] ?? 0, most.decidesByName[module] ?? 0] as const,
    ),
  ]
  return rows.flatMap(([what, is, allowed, slack = 0]): Violation[] => {
    if (is > allowed) return [{ rule: 'core_grows', path: 'src', what: `${is} ${what}; ${allowed} are allowed` }]
    return is < allowed - slack
      ? [{ rule: 'core_grows', path: 'test/architecture/core-shape.ts', what: `only ${is} ${what}: write it down` }]
      : []
  })
}

/** Who owns the calls that a file describes: the whole of `src/kernel`, each `src/services/NAME`, or the module. */
function areaOf({ path, module }: SourceFile): string {
  const parts = path.split('/')
  return parts.slice(0, module === 'services' && parts.length > 3 ? 3 : 2).join('/')
}

/** `src/kernel/FOLDER`, or `src/kernel` for the files next to the folders. */
function folderOf(path: string): string {
  const parts = path.split('/')
  return parts.slice(0, parts.length > 3 ? 3 : 2).join('/')
}

/** @returns the folders from which imports lead back to them through others */
function circularFolders(kernel: readonly SourceFile[]): readonly string[] {
  const targets = new Map<string, Set<string>>()
  for (const file of kernel)
    for (const { specifier } of file.imports) {
      if (specifier?.startsWith('.') !== true) continue
      const target = posix.join(posix.dirname(file.path), specifier)
      const [from, to] = [folderOf(file.path), folderOf(target)]
      if (target.startsWith('src/kernel/') && from !== to) targets.set(from, (targets.get(from) ?? new Set()).add(to))
    }
  const leads = (from: string, to: string, seen: Set<string>): boolean =>
    [...(targets.get(from) ?? [])].some((next) => next === to || (!seen.has(next) && leads(next, to, seen.add(next))))
  return [...targets.keys()].filter((folder) => leads(folder, folder, new Set()))
}

function decidesByName(product: readonly SourceFile[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { module, lines } of deciding(product)) counts[module!] = (counts[module!] ?? 0) + lines.length
  return counts
}

/** @returns files that decide by names of calls which are described elsewhere, with the lines */
function deciding(
  product: readonly SourceFile[],
): readonly { readonly path: string; readonly module: string | null; readonly lines: readonly number[] }[] {
  const owners = new Map<string, Set<string>>()
  for (const file of product)
    for (const { text, describes } of file.dottedNames) if (describes) owners.set(text, (owners.get(text) ?? new Set()).add(areaOf(file)))
  // A right may have the text of a call; who may do something is a list of rights.
  const rights = new Set(product.flatMap(({ rights: own }) => own))
  return product.flatMap((file) => {
    const names = file.dottedNames.filter(
      ({ text, makes, listed }) => !makes && !(listed && rights.has(text)) && owners.get(text)?.has(areaOf(file)) === false,
    )
    return names.length === 0 ? [] : [{ path: file.path, module: file.module, lines: names.map(({ line }) => line) }]
  })
}

/** @returns where the tree has more than the one before: decisions by names of calls of others, and product lines of the kernel */
export function grownFiles(before: SourceTree, now: SourceTree): readonly string[] {
  const named = new Map(deciding(productOf(before)).map(({ path, lines: at }) => [path, at.length]))
  const names = deciding(productOf(now)).filter((file) => file.lines.length > (named.get(file.path) ?? 0))
  const lines = productOf(now).filter((file) => file.module === 'kernel' && file.lines > (before.byPath.get(file.path)?.lines ?? 0))
  return [
    ...names.map((file) => `${file.path}: decides by names of calls of others in the lines ${file.lines.join(', ')}`),
    ...lines.map(({ path, lines: count }) => `${path}: ${count} lines, before ${before.byPath.get(path)?.lines ?? 0}`),
  ]
}

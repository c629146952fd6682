/** All rules over one tree. */
import type { Room, Waiver } from './house.ts'
import { checkCycles, checkImports } from './import-rules.ts'
import { checkFolders, checkNames, checkSizes, checkSyntax } from './shape-rules.ts'
import type { SourceTree } from './source-tree.ts'
import { checkManifest, checkPermissions, checkTable } from './table-rules.ts'
import type { Violation } from './violation.ts'
import { applyWaivers } from './violation.ts'

export function checkTree(tree: SourceTree, house: readonly Room[], waivers: readonly Waiver[]): readonly Violation[] {
  const violations = [
    ...checkImports(tree, house),
    ...checkCycles(tree),
    ...checkSizes(tree),
    ...checkFolders(tree),
    ...checkNames(tree),
    ...checkSyntax(tree),
    ...checkTable(house),
    ...checkManifest(tree, house),
    ...checkPermissions(tree, house),
  ]
  return applyWaivers(violations, waivers)
}

/** All rules over one tree. */
import type { ModuleRow } from './modules.ts'
import type { Waiver } from './waivers.ts'
import { checkCycles, checkImports } from './import-rules.ts'
import { checkDepth, checkFolders, checkNames, checkSizes, checkSyntax, type DepthRules } from './shape-rules.ts'
import { checkServices } from './service-rules.ts'
import type { SourceTree } from './source-tree.ts'
import { checkManifest, checkPermissions, checkTable } from './table-rules.ts'
import { checkTwins } from './twins.ts'
import type { Violation } from './violation.ts'
import { applyWaivers } from './violation.ts'

const noDepthRules: DepthRules = { deepModules: new Set(), smallFiles: {} }

export function checkTree(
  tree: SourceTree,
  modules: readonly ModuleRow[],
  waivers: readonly Waiver[],
  depthRules: DepthRules = noDepthRules,
): readonly Violation[] {
  const violations = [
    ...checkImports(tree, modules),
    ...checkCycles(tree),
    ...checkSizes(tree),
    ...checkDepth(tree, depthRules),
    ...checkFolders(tree),
    ...checkNames(tree),
    ...checkSyntax(tree),
    ...checkServices(tree),
    ...checkTwins(tree),
    ...checkTable(modules),
    ...checkManifest(tree, modules),
    ...checkPermissions(tree, modules),
  ]
  return applyWaivers(violations, waivers)
}

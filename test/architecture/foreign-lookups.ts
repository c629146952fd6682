/**
 * Finds lookups in product code by a text that is not known when the program is compiled: `table[name]` and `name in table` see what every
 * object inherits, such as `constructor`. The compiler says which keys are such texts, so an index of an array and a key of a fixed list
 * pass. Allowed are `ownValue`, `setOwn` and maps, and a lookup behind `Object.hasOwn` of the same object and key.
 */
import { relative } from 'node:path'
import { API, type Checker, type Type, TypeFlags, type UnionType } from 'typescript/unstable/sync'
import { type BinaryExpression, type ElementAccessExpression, type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast'
import { isBinaryExpression, isElementAccessExpression } from 'typescript/unstable/ast/is'

export interface ForeignLookup {
  /** From the root. */
  readonly path: string
  readonly line: number
  readonly text: string
  /** Of the expression in its file. */
  readonly start: number
  readonly end: number
  readonly key: Node
}

/** @param configs paths of tsconfig files @param isProduct of a path from the root */
export function findForeignLookups(
  root: string,
  configs: readonly string[],
  isProduct: (path: string) => boolean,
): readonly ForeignLookup[] {
  const api = new API({ cwd: root })
  try {
    const found = new Map<string, ForeignLookup>()
    for (const config of configs) {
      const project = api.updateSnapshot({ openProjects: [config] }).getProject(config)
      if (project === undefined) throw new Error(`${config} is no project`)
      const { program, checker } = project
      for (const name of program.getSourceFileNames()) {
        const path = relative(root, name)
        const file = isProduct(path) ? program.getSourceFile(name) : undefined
        if (file !== undefined) for (const each of lookupsIn(file, path, checker)) found.set(`${path}:${each.start}`, each)
      }
    }
    return [...found.values()]
  } finally {
    api.close()
  }
}

type Lookup = ElementAccessExpression | BinaryExpression

function lookupsIn(file: SourceFile, path: string, checker: Checker): readonly ForeignLookup[] {
  const lookups: Lookup[] = []
  const step = (node: Node): void => {
    if (isLookup(node)) lookups.push(node)
    node.forEachChild(step)
  }
  file.forEachChild(step)
  if (lookups.length === 0) return []
  const types = checker.getTypeAtLocation(lookups.map(keyOf))
  return lookups.flatMap((node, at): readonly ForeignLookup[] => {
    const type = types[at]
    const isForeign = keyOf(node).kind === SyntaxKind.AsExpression || (type !== undefined && isOpen(type, checker))
    if (!isForeign || isGuarded(node, file)) return []
    const start = node.getStart(file)
    const line = file.text.slice(0, start).split('\n').length
    return [{ path, line, text: file.text.slice(start, node.end).replaceAll(/\s+/g, ' '), start, end: node.end, key: keyOf(node) }]
  })
}

const keyOf = (node: Lookup): Node => (isElementAccessExpression(node) ? node.argumentExpression : node.left)

function isLookup(node: Node): node is Lookup {
  if (isBinaryExpression(node)) return node.operatorToken.kind === SyntaxKind.InKeyword && !isFixed(node.left)
  // A deletion takes away properties of the object itself alone.
  return isElementAccessExpression(node) && !isFixed(node.argumentExpression) && node.parent.kind !== SyntaxKind.DeleteExpression
}

const isFixed = ({ kind }: Node): boolean =>
  kind === SyntaxKind.StringLiteral || kind === SyntaxKind.NumericLiteral || kind === SyntaxKind.NoSubstitutionTemplateLiteral

const openFlags = TypeFlags.String | TypeFlags.TemplateLiteral | TypeFlags.StringMapping | TypeFlags.Any | TypeFlags.Unknown

/** Whether a value of the type may be any text. */
function isOpen(type: Type, checker: Checker): boolean {
  if ((type.flags & TypeFlags.Union) !== 0) return (type as UnionType).getTypes().some((each) => isOpen(each, checker))
  if ((type.flags & (TypeFlags.TypeParameter | TypeFlags.Index | TypeFlags.IndexedAccess)) === 0) return (type.flags & openFlags) !== 0
  const bound = checker.getBaseConstraintOfType(type)
  return bound === undefined || bound.id === type.id || isOpen(bound, checker)
}

/** Whether `Object.hasOwn` of the same object and key stands in a condition above it. */
function isGuarded(node: Lookup, file: SourceFile): boolean {
  if (!isElementAccessExpression(node)) return false
  const textOf = (of: Node): string => file.text.slice(of.getStart(file), of.end)
  const guard = `Object.hasOwn(${textOf(node.expression)}, ${textOf(node.argumentExpression)})`
  for (let above: Node = node.parent; above.kind !== SyntaxKind.SourceFile; above = above.parent) {
    const isCondition =
      above.kind === SyntaxKind.ConditionalExpression || above.kind === SyntaxKind.IfStatement || isBinaryExpression(above)
    if (isCondition && file.text.slice(above.getStart(file), node.getStart(file)).includes(guard)) return true
  }
  return false
}

/** An interface or an object type with the same fields as a schema: one of the two is written twice, and `z.infer` says it once. */
import type { ShapeFact } from './source-parse.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

/**
 * Types for authors of plugins, which import nothing: `src/protocol/plugin/plugin-schema.ts` is held to them. And those that are made from
 * the schemas.
 */
const exempt: ReadonlySet<string> = new Set(['src/protocol/plugin/plugin.ts', 'src/protocol/call-types.ts'])

export function checkTwins(tree: SourceTree): readonly Violation[] {
  const product = tree.files.filter(({ path, module, isTest }) => module !== null && !isTest && !exempt.has(path))
  const schemas = new Map<string, (ShapeFact & Pick<SourceFile, 'path' | 'module'>)[]>()
  for (const { path, module, shapes } of product)
    for (const shape of shapes)
      if (shape.type === null) schemas.set(shape.fields, [...(schemas.get(shape.fields) ?? []), { ...shape, path, module }])
  return product.flatMap(({ path, module, shapes }) =>
    shapes.flatMap(({ type, fields, line }): Violation[] => {
      const same = type === null ? [] : (schemas.get(fields) ?? [])
      // Two fields are the same by accident more often than not, but not in one module.
      const twin = fields.split(',').length > 2 ? same[0] : same.find((schema) => schema.module === module)
      if (twin === undefined) return []
      const what = `line ${line}: ${type} has the fields of the schema in ${twin.path}:${twin.line}: use z.infer, OutputOf or InputOf`
      return [{ rule: 'schema_twin', path, what }]
    }),
  )
}

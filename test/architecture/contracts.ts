/**
 * How many exports say their contract: units, order, errors, limits, what an empty value means. A share and no list, because a name and a type
 * are sometimes enough; it may only grow.
 */
import { parseSync } from 'oxc-parser'

/** The least share of the product's exports with a contract. */
export const leastShare = 0.75

interface Declared {
  readonly type: string
  readonly id?: { readonly name: string } | null
  readonly declarations?: readonly { readonly id: { readonly name?: string } }[]
  readonly body?: unknown
  readonly typeAnnotation?: { readonly members?: readonly Spot[]; readonly type: string }
}

interface Spot {
  readonly start: number
}

export interface ExportFact {
  readonly name: string
  readonly line: number
  readonly hasContract: boolean
}

/**
 * A contract is a comment before the export, or before the export directly above it (constants in a group), or before at least half of the
 * fields of a type. A type that is read from a schema has the schema's.
 * @returns the exports that the file itself declares, in order
 */
export function exportsOf(path: string, text: string): readonly ExportFact[] {
  const { program, comments } = parseSync(path, text)
  const ends = new Set(comments.filter(({ type }) => type === 'Block').map(({ end }) => end))
  const isTold = ({ start }: Spot): boolean => {
    let end = start
    while (end > 0 && /\s/.test(text[end - 1]!)) end--
    return ends.has(end)
  }
  const facts: ExportFact[] = []
  let [before, wasTold] = [0, false]
  for (const node of program.body) {
    if (node.type !== 'ExportNamedDeclaration' || node.declaration === null) continue
    const declared = node.declaration as unknown as Declared
    const fields = fieldsOf(declared)
    const isGrouped = wasTold && declared.type === 'VariableDeclaration' && text.slice(before, node.start) === '\n'
    const isRead = declared.type === 'TSTypeAliasDeclaration' && /\bz\.(?:infer|input|output)</.test(text.slice(node.start, node.end))
    const hasContract = isTold(node) || isGrouped || isRead || (fields.length > 0 && fields.filter(isTold).length * 2 >= fields.length)
    const name = declared.id?.name ?? declared.declarations?.[0]?.id.name ?? ''
    facts.push({ name, line: text.slice(0, node.start).split('\n').length, hasContract })
    before = node.end
    wasTold = hasContract
  }
  return facts
}

function fieldsOf({ type, body, typeAnnotation }: Declared): readonly Spot[] {
  if (type === 'TSInterfaceDeclaration') return (body as { readonly body: readonly Spot[] }).body
  return typeAnnotation?.type === 'TSTypeLiteral' ? (typeAnnotation.members ?? []) : []
}

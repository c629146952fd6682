/**
 * Finds where source raises error codes, and every text that stands where a code must stand. A literal counts as raising when it
 * is handed on (an argument, a `code:`, a returned or chosen value), not when it is compared, matched or a mere type.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'
import type { Node } from './source-parse.ts'
import { calleeName, literalText, walk } from './source-parse.ts'

export interface CodeUse {
  readonly code: string
  readonly path: string
}

export interface CodeUses {
  /** Literals that equal a code of the table and are handed on. */
  readonly raised: readonly CodeUse[]
  /** Literals in the place of a code that are not in the table. */
  readonly unknown: readonly CodeUse[]
}

/** Reads the product code under `folder` without its tests and without the table itself. */
export function findCodes(folder: string, codes: ReadonlySet<string>): CodeUses {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !/\.test\.ts$|-contract\.ts$/.test(path) && path !== join('base', 'error.ts'),
  )
  const found = paths.map((path) => codesIn(path, readFileSync(join(folder, path), 'utf8'), codes))
  return { raised: found.flatMap((uses) => uses.raised), unknown: found.flatMap((uses) => uses.unknown) }
}

export function codesIn(path: string, text: string, codes: ReadonlySet<string>): CodeUses {
  const raised: CodeUse[] = []
  const unknown: CodeUse[] = []
  walk(parseSync(path, text).program as unknown as Node, (node, ancestors) => {
    const code = literalText(node)
    if (code === null) return
    const place = placeOf(node, ancestors)
    if (codes.has(code)) {
      if (place === 'code' || place === 'value') raised.push({ code, path })
    } else if (place === 'code' && /^[a-z]+(?:_[a-z]+)*$/.test(code)) unknown.push({ code, path })
  })
  return { raised, unknown }
}

type Place = 'code' | 'value' | 'elsewhere'

/** Nodes through which a value passes unchanged. */
const transparent: ReadonlySet<string> = new Set(['ConditionalExpression', 'LogicalExpression', 'TSAsExpression', 'TSSatisfiesExpression'])

function placeOf(literal: Node, ancestors: readonly Node[]): Place {
  let child = literal
  for (const parent of ancestors.toReversed()) {
    if (transparent.has(parent.type) && parent['test'] !== child) {
      child = parent
      continue
    }
    return placeIn(parent, child)
  }
  return 'elsewhere'
}

function placeIn(parent: Node, child: Node): Place {
  switch (parent.type) {
    case 'NewExpression':
    case 'CallExpression': {
      const name = calleeName(parent['callee'])
      const at = (parent['arguments'] as Node[]).indexOf(child)
      if (name === 'isOxbowError' || name === 'includes' || name === 'has') return 'elsewhere'
      return (name === 'OxbowError' && at === 0) || (name === 'toFailure' && at === 1) ? 'code' : 'value'
    }
    case 'Property': {
      if (parent['value'] !== child) return 'elsewhere'
      const key = calleeName(parent['key'])
      return key === 'code' ? 'code' : ['status', 'type', 'reason', 'kind', 'phase'].includes(key) ? 'elsewhere' : 'value'
    }
    case 'ReturnStatement':
    case 'ArrowFunctionExpression':
    case 'VariableDeclarator':
    case 'AssignmentExpression':
    case 'ArrayExpression':
      return 'value'
    default:
      return 'elsewhere'
  }
}

/**
 * Reads one TypeScript file into the facts that the rules ask for. A real parser does it (oxc), so comments, strings and
 * templates that look like code are never taken for it.
 */
import { parseSync } from 'oxc-parser'

export interface ImportFact {
  /** null: computed, so nobody can say where it leads. */
  readonly specifier: string | null
  /** `entry`: `new URL('./x.ts', import.meta.url)`, how a worker or a child program is named. */
  readonly kind: 'static' | 'dynamic' | 'builtin' | 'entry'
  readonly typeOnly: boolean
  /** Names that are imported as values; `*` for all. */
  readonly names: readonly string[]
  readonly line: number
}

export interface FunctionFact {
  readonly name: string
  readonly line: number
  readonly lines: number
}

/** Something in the text that a rule forbids in some places. */
export interface SyntaxFact {
  readonly kind:
    | 'enum'
    | 'namespace'
    | 'decorator'
    | 'class'
    | 'mutable_module_state'
    | 'left_over_note'
    | 'timer'
    | 'undescribed_output'
    | 'maybe_promise'
    | 'unparsable'
  readonly what: string
  readonly line: number
}

/** A text of the form `family.verb` that is not a type. */
export interface DottedName {
  readonly text: string
  /** The name of a description: an object that also has a summary. */
  readonly describes: boolean
  /** It is passed to a function, or precedes an input: this makes a call. Otherwise it decides something. */
  readonly makes: boolean
  /** It stands in a list, is looked up in a set, or is compared with a `right`: where a right has the same text, that is what it is. */
  readonly listed: boolean
  readonly line: number
}

/** Fields of an object, as a type with a name or as a schema says them. */
export interface ShapeFact {
  /** Of a type; null: a schema. */
  readonly type: string | null
  /** Sorted, and joined. */
  readonly fields: string
  readonly line: number
}

export interface SourceFacts {
  readonly lines: number
  readonly dottedNames: readonly DottedName[]
  /** What calls that the file describes need, as far as it is written out. */
  readonly rights: readonly string[]
  readonly imports: readonly ImportFact[]
  readonly functions: readonly FunctionFact[]
  readonly syntax: readonly SyntaxFact[]
  readonly shapes: readonly ShapeFact[]
}

export interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [key: string]: unknown
}

export type LineOf = (offset: number) => number

export function parseSource(path: string, text: string): SourceFacts {
  const parsed = parseSync(path, text)
  const lineOf = lineFinder(text)
  const imports: ImportFact[] = []
  const functions: FunctionFact[] = []
  const syntax: SyntaxFact[] = parsed.errors.map((error) => ({ kind: 'unparsable', what: error.message, line: 1 }))
  const program = parsed.program as unknown as Node
  const constants = new Map<string, unknown>()
  const dottedNames: DottedName[] = []
  const rights: string[] = []
  const shapes: ShapeFact[] = []
  walk(program, (node, ancestors) => {
    const isConstant = node.type === 'VariableDeclarator' && ancestors.at(-1)?.['kind'] === 'const'
    if (isConstant) constants.set(calleeName(node['id']), node['init'])
  })
  walk(program, (node, ancestors) => {
    imports.push(...importsOf(node, lineOf, constants))
    if (node.type === 'Property' && calleeName(node['key']) === 'right') rights.push(literalText(node['value']) ?? '')
    const dotted = dottedName(node, ancestors, lineOf)
    if (dotted !== null) dottedNames.push(dotted)
    for (const name of namesInPattern(node))
      dottedNames.push({ text: name, describes: false, makes: false, listed: false, line: lineOf(node.start) })
    const shape = shapeOf(node, ancestors.at(-1), lineOf)
    if (shape !== null) shapes.push(shape)
    if (functionTypes.has(node.type)) functions.push(measureFunction(node, ancestors, lineOf))
    const forbidden = isMaybePromise(node)
      ? ({ kind: 'maybe_promise', what: firstLine(text.slice(node.start, node.end)) } as const)
      : forbiddenKind(node)
    if (forbidden !== null) syntax.push({ ...forbidden, line: lineOf(node.start) })
  })
  for (const statement of program['body'] as Node[]) {
    if (isMutableState(statement)) {
      syntax.push({ kind: 'mutable_module_state', what: firstLine(text.slice(statement.start)), line: lineOf(statement.start) })
    }
  }
  for (const comment of parsed.comments) {
    const note = /\b(?:TODO|FIXME|XXX)\b/.exec(comment.value)
    if (note !== null)
      syntax.push({ kind: 'left_over_note', what: firstLine(comment.value.slice(note.index)), line: lineOf(comment.start) })
  }
  return { lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0), imports, functions, syntax, dottedNames, rights, shapes }
}

function dottedName(node: Node, ancestors: readonly Node[], lineOf: LineOf): DottedName | null {
  const text = node.type === 'Literal' || node.type === 'TemplateLiteral' ? literalText(node) : null
  // An example is shown to people, and decides nothing.
  if (ancestors.some((above) => above.type === 'Property' && calleeName(above['key']) === 'example')) return null
  if (text === null || !/^[a-z][a-z0-9]*\.[a-z][a-z_]*$/.test(text) || ancestors.some(({ type }) => type === 'TSLiteralType')) return null
  const [object, property] = ancestors.slice(-2)
  const keys = property?.type === 'Property' && calleeName(property['key']) === 'name' ? (object?.['properties'] as Node[]) : []
  const describes = keys.some(({ key }) => calleeName(key) === 'summary')
  return { text, describes, makes: makesCall(node, ancestors), listed: isListed(ancestors), line: lineOf(node.start) }
}

/** @returns the names that a regular expression tells from others: `a.b` and `a.c` for `/^a\.(?:b|c)$/` */
function namesInPattern(node: Node): readonly string[] {
  const { pattern = '' } = (node.type === 'Literal' ? (node['regex'] as { pattern: string } | undefined) : undefined) ?? {}
  const found = pattern.matchAll(/([a-z][a-z0-9]*)(?:\\\.|\[[._\\]+\])(?:\((?:\?:)?([a-z_|]+)\)|([a-z][a-z_]*))/g)
  return [...found].flatMap(([, family, group, verb = '']) => (group ?? verb).split('|').map((each) => `${family}.${each}`))
}

/** Functions that look a name up and make no call. */
const lookups: ReadonlySet<string> = new Set([
  'has',
  'includes',
  'startsWith',
  'endsWith',
  'indexOf',
  'get',
  'set',
  'add',
  'delete',
  'find',
  'held',
])

/** `call('a.b', …)`, `isOn ? 'a.b' : 'a.c'` in its place, `['a.b', input]`, `{ name: 'a.b', input }`. */
function makesCall(node: Node, ancestors: readonly Node[]): boolean {
  const [object, parent] = ancestors.slice(-2)
  if (parent === undefined) return false
  if (parent.type === 'CallExpression') return parent['callee'] !== node && !lookups.has(calleeName(parent['callee']))
  if (parent.type === 'ConditionalExpression' || parent.type === 'TSAsExpression')
    return parent['test'] !== node && makesCall(parent, ancestors.slice(0, -1))
  if (parent.type === 'ArrayExpression')
    return (parent['elements'] as Node[])[0] === node && (parent['elements'] as Node[])[1]?.type === 'ObjectExpression'
  if (parent.type !== 'Property' || parent['value'] !== node || !['name', 'call'].includes(calleeName(parent['key']))) return false
  const keys = ((object?.['properties'] ?? []) as readonly Node[]).map(({ key }) => calleeName(key))
  // A request, or a record: of whoever writes it.
  return keys.includes('input') || keys.includes('caller')
}

function isListed(ancestors: readonly Node[]): boolean {
  const parent = ancestors.at(-1)
  if (parent?.type === 'Property') return calleeName(parent['key']) === 'right'
  if (parent?.type === 'BinaryExpression') return [parent['left'], parent['right']].some((side) => calleeName(side) === 'right')
  return (
    parent?.type === 'ArrayExpression' ||
    (parent?.type === 'CallExpression' && ['has', 'get', 'held'].includes(calleeName(parent['callee'])))
  )
}

/** Visits every node, parents first. `ancestors` is outermost first and valid only during the visit. */
export function walk(root: Node, visit: (node: Node, ancestors: readonly Node[]) => void): void {
  const ancestors: Node[] = []
  const step = (node: Node): void => {
    visit(node, ancestors)
    ancestors.push(node)
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) if (isNode(child)) step(child)
    }
    ancestors.pop()
  }
  step(root)
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && 'start' in value
}

/** @returns the text of a string literal or of a template without holes, else null. */
export function literalText(value: unknown): string | null {
  if (!isNode(value)) return null
  if (value.type === 'Literal') return typeof value['value'] === 'string' ? value['value'] : null
  if (value.type !== 'TemplateLiteral') return null
  const quasis = value['quasis'] as { value: { cooked: string } }[]
  return quasis.length === 1 ? (quasis[0]?.value.cooked ?? null) : null
}

/** @returns the name of an identifier or of the last member of `a.b.c`, else ''. */
export function calleeName(value: unknown): string {
  if (!isNode(value)) return ''
  if (value.type === 'Identifier') return value['name'] as string
  return value.type === 'MemberExpression' ? calleeName(value['property']) : ''
}

export function lineFinder(text: string): LineOf {
  const starts = [0]
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return (offset) => {
    const next = starts.findIndex((start) => start > offset)
    return next === -1 ? starts.length : next
  }
}

const firstLine = (text: string): string => (text.split('\n')[0] ?? '').slice(0, 80)

function importsOf(node: Node, lineOf: LineOf, constants: Constants): readonly ImportFact[] {
  const line = lineOf(node.start)
  const fact = (specifier: string | null, kind: ImportFact['kind'], typeOnly = false, names: readonly string[] = ['*']): ImportFact => ({
    specifier,
    kind,
    typeOnly,
    names,
    line,
  })
  const facts = (target: unknown, kind: ImportFact['kind']): readonly ImportFact[] =>
    textsOf(target, constants).map((text) => fact(text, kind))
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration': {
      const specifier = literalText(node['source'])
      if (specifier === null) return []
      const { typeOnly, names } = bindings(node)
      return [fact(specifier, 'static', typeOnly, names)]
    }
    case 'ImportExpression':
      return facts(node['source'], 'dynamic')
    case 'TSImportType':
    case 'TSExternalModuleReference':
      return [fact(literalText(node['source'] ?? node['expression']), 'static', true, [])]
    case 'CallExpression':
    case 'NewExpression': {
      const [first, second] = node['arguments'] as Node[]
      const name = calleeName(node['callee'])
      if (name === 'getBuiltinModule') return facts(first, 'builtin')
      if (name === 'require') return facts(first, 'dynamic')
      if (name === 'resolve' && isImportMeta((node['callee'] as Node)['object'])) return facts(first, 'entry')
      const isBesideThis = isNode(second) && calleeName(second) === 'url' && isImportMeta(second['object'])
      return name === 'URL' && isBesideThis ? facts(first, 'entry') : []
    }
    default:
      return []
  }
}

/** What each `const` of the file is set to, by name. */
type Constants = ReadonlyMap<string, unknown>

/** @returns every text that an expression may be, through `?:` and constants of the file; null among them when it may be something else. */
function textsOf(value: unknown, constants: Constants, depth = 0): readonly (string | null)[] {
  const text = literalText(value)
  if (text !== null || !isNode(value) || depth > 4) return [text]
  if (value.type === 'ConditionalExpression') {
    return [value['consequent'], value['alternate']].flatMap((branch) => textsOf(branch, constants, depth + 1))
  }
  if (value.type === 'Identifier') return textsOf(constants.get(calleeName(value)), constants, depth + 1)
  if (value.type !== 'TemplateLiteral') return [null]
  // A template is each of its holes' texts between its fixed parts.
  const [head = '', ...tails] = (value['quasis'] as { value: { cooked: string } }[]).map((quasi) => quasi.value.cooked)
  const holes = (value['expressions'] as unknown[]).map((hole) => textsOf(hole, constants, depth + 1))
  const grow = (texts: readonly (string | null)[], hole: readonly (string | null)[], tail: string): readonly (string | null)[] =>
    texts.flatMap((left) => hole.map((middle) => (left === null || middle === null ? null : left + middle + tail)))
  return holes.reduce((texts, hole, i) => grow(texts, hole, tails[i] ?? ''), [head] as readonly (string | null)[])
}

const isImportMeta = (value: unknown): boolean => isNode(value) && value.type === 'MetaProperty'

function bindings(node: Node): Pick<ImportFact, 'typeOnly' | 'names'> {
  const kind = node['importKind'] ?? node['exportKind']
  const specifiers = (node['specifiers'] ?? null) as Node[] | null
  if (kind === 'type') return { typeOnly: true, names: [] }
  // `export *` and a bare `import './x.ts'` take everything.
  if (specifiers === null || specifiers.length === 0) return { typeOnly: false, names: ['*'] }
  const values = specifiers.filter((specifier) => (specifier['importKind'] ?? specifier['exportKind']) !== 'type')
  const names = values.map(
    (specifier) => calleeName(specifier['imported'] ?? (node.type === 'ImportDeclaration' ? null : specifier['local'])) || '*',
  )
  return { typeOnly: values.length === 0, names }
}

const functionTypes: ReadonlySet<string> = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const suitePattern = /^(?:describe|suite)$|^describe[A-Z]\w*Contract$/

function measureFunction(node: Node, ancestors: readonly Node[], lineOf: LineOf): FunctionFact {
  const parent = ancestors.at(-1)
  const name = calleeName(node['id']) || calleeName(parent?.['id']) || calleeName(parent?.['key'])
  const caller = parent?.type === 'CallExpression' ? calleeName(parent['callee']) : ''
  let lines = span(node, lineOf)
  // A suite is a list of cases: what is measured is each case, and what stands between them.
  if (suitePattern.test(name) || suitePattern.test(caller)) {
    walk(node, (inner, path) => {
      const isCase = functionTypes.has(inner.type) && path.length > 0 && !path.slice(1).some((above) => functionTypes.has(above.type))
      if (isCase) lines -= span(inner, lineOf)
    })
  }
  return { name: name || caller || 'a nameless function', line: lineOf(node.start), lines }
}

const span = (node: Node, lineOf: LineOf): number => lineOf(node.end) - lineOf(node.start) + 1

function forbiddenKind(node: Node): Pick<SyntaxFact, 'kind' | 'what'> | null {
  const decorators = node['decorators']
  if (Array.isArray(decorators) && decorators.length > 0) return { kind: 'decorator', what: 'a decorator' }
  const name = node.type === 'Identifier' ? calleeName(node) : ''
  if (name === 'setTimeout' || name === 'setInterval') return { kind: 'timer', what: name }
  if (node.type === 'TSEnumDeclaration') return { kind: 'enum', what: `enum ${calleeName(node['id'])}` }
  if (node.type === 'TSModuleDeclaration') return { kind: 'namespace', what: `namespace ${calleeName(node['id'])}` }
  if (isUndescribedOutput(node)) return { kind: 'undescribed_output', what: 'an output without a schema' }
  if (node.type !== 'ClassDeclaration' && node.type !== 'ClassExpression') return null
  if (calleeName(node['superClass']).endsWith('Error')) return null
  return { kind: 'class', what: `class ${calleeName(node['id'])}` }
}

/** `Value | Promise<Value>`: whoever has it must treat both. A promise that may be absent is another thing. */
function isMaybePromise(node: Node): boolean {
  if (node.type !== 'TSUnionType') return false
  const types = node['types'] as Node[]
  const isPromise = ({ typeName, ...type }: Node): boolean => type.type === 'TSTypeReference' && calleeName(typeName) === 'Promise'
  const isAbsent = ({ type }: Node): boolean => type === 'TSNullKeyword' || type === 'TSUndefinedKeyword'
  return types.some(isPromise) && types.some((type) => !isPromise(type) && !isAbsent(type))
}

/** `output: z.custom<…>()`, which says nothing to documents, clients and tests. */
function isUndescribedOutput(node: Node): boolean {
  const value = node['value']
  if (node.type !== 'Property' || calleeName(node['key']) !== 'output' || !isNode(value) || value.type !== 'CallExpression') return false
  const callee = value['callee']
  return isNode(callee) && callee.type === 'MemberExpression' && calleeName(callee['property']) === 'custom'
}

/** `let` and `var` at the top of a module, and an empty collection there, which can only be meant for filling. */
function isMutableState(statement: Node): boolean {
  const declared = statement.type === 'ExportNamedDeclaration' ? statement['declaration'] : statement
  if (!isNode(declared) || declared.type !== 'VariableDeclaration' || declared['declare'] === true) return false
  if (declared['kind'] === 'let' || declared['kind'] === 'var') return true
  return (declared['declarations'] as Node[]).some(({ init }) => {
    if (!isNode(init) || init.type !== 'NewExpression' || (init['arguments'] as unknown[]).length > 0) return false
    return ['Map', 'Set', 'WeakMap', 'WeakSet'].includes(calleeName(init['callee']))
  })
}

/** @returns what a node says of an object with at least two fields, all written out */
function shapeOf(node: Node, parent: Node | undefined, lineOf: LineOf): ShapeFact | null {
  const isType = node.type === 'TSInterfaceDeclaration' || (node.type === 'TSTypeLiteral' && parent?.type === 'TSTypeAliasDeclaration')
  const members = isType ? membersOf(node) : schemaFields(node)
  const keys = members.map(({ type, key }) =>
    type === 'TSPropertySignature' || type === 'Property' ? (literalText(key) ?? calleeName(key)) : '',
  )
  if (keys.length < 2 || keys.includes('')) return null
  const type = isType ? calleeName((node.type === 'TSTypeLiteral' ? parent : node)?.['id']) : null
  return { type, fields: keys.sort().join(), line: lineOf(node.start) }
}

function membersOf(node: Node): readonly Node[] {
  const { body, members, extends: bases } = node as { body?: { body: Node[] }; members?: Node[]; extends?: Node[] }
  // What it extends has fields that are not written here.
  return (bases ?? []).length > 0 ? [] : (members ?? body?.body ?? [])
}

/** The fields of `z.object({ … })` and its strict and loose forms. */
function schemaFields(node: Node): readonly Node[] {
  if (node.type !== 'CallExpression' || !/^(?:strictObject|object|looseObject)$/.test(calleeName(node['callee']))) return []
  const [first] = node['arguments'] as Node[]
  return isNode(first) && first.type === 'ObjectExpression' ? (first['properties'] as Node[]) : []
}

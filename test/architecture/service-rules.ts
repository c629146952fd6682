/** The seam of services: how much services may know about each other, and that nobody else knows them. */
import { posix } from 'node:path'
import type { SourceFile, SourceTree } from './source-tree.ts'
import type { Violation } from './violation.ts'

const root = 'src/services/'
const list = `${root}list.ts`
/** Programs of others are services too, which the guest adds. */
const lists: ReadonlySet<string> = new Set([list, `${root}index.ts`])

/** `flow` for `src/services/flow/…`; empty for what stands outside of a service. */
function serviceOf(path: string): string {
  const [name = '', ...rest] = path.startsWith(root) ? path.slice(root.length).split('/') : []
  return rest.length > 0 ? name : ''
}

const targetsOf = ({ path, imports }: SourceFile): readonly string[] =>
  imports.flatMap(({ specifier }) => (specifier?.startsWith('.') === true ? [posix.join(posix.dirname(path), specifier)] : []))

/** A service knows of another one its `service.ts`, which the list names, and nobody but the list and services names one. */
export function checkServices(tree: SourceTree): readonly Violation[] {
  const product = tree.files.filter(({ module, isTest, isSupport }) => module !== null && !isTest && !isSupport)
  const found = product.flatMap((file) => {
    const own = serviceOf(file.path)
    const inside = targetsOf(file).filter((target) => !['', own].includes(serviceOf(target)) && !target.endsWith('/service.ts'))
    // The list itself says what others may have of a service.
    return own === ''
      ? []
      : inside.map((target): Violation => ({ rule: 'past_service', path: file.path, what: `imports ${target}, past its service` }))
  })
  const folders = new Set(product.map(({ path }) => serviceOf(path)).filter((name) => name !== ''))
  const named = new Set(product.filter(({ path }) => lists.has(path)).flatMap(targetsOf))
  for (const name of folders) {
    const path = `${root}${name}/service.ts`
    if (!tree.byPath.has(path)) found.push({ rule: 'service_not_listed', path: `${root}${name}`, what: 'has no service.ts' })
    else if (!named.has(path)) found.push({ rule: 'service_not_listed', path, what: `is not in ${list}` })
  }
  return [...found, ...twice(product)]
}

/** Two descriptions of one call: whoever asks would not know which of them answers. */
function twice(product: readonly SourceFile[]): readonly Violation[] {
  const first = new Map<string, string>()
  const found: Violation[] = []
  for (const { path, dottedNames } of product)
    for (const { text, describes } of dottedNames) {
      if (!describes) continue
      const other = first.get(text)
      if (other !== undefined && serviceOf(other) !== serviceOf(path))
        found.push({ rule: 'call_described_twice', path, what: `describes ${text}, as ${other} does` })
      else first.set(text, path)
    }
  return found
}

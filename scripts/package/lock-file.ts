/** What the lock file says of the packages that are shipped: the installed `dependencies` of package.json, and what the build compiles in. */
import { readFileSync } from 'node:fs'

export interface Manifest {
  readonly version?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

export interface Locked {
  readonly version?: string
  readonly license?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

export type Lock = Readonly<Record<string, Locked>>

export interface Shipped {
  readonly own: Manifest
  readonly bundle: Manifest
  readonly lock: Lock
  /** Paths in the lock file. */
  readonly paths: ReadonlySet<string>
}

/** @param root of the repository */
export function readShipped(root: URL): Shipped {
  const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), 'utf8'))
  const own = read('package.json') as Manifest
  const bundle = read('bundle/package.json') as Manifest
  const { packages: lock } = read('package-lock.json') as { readonly packages: Lock }
  const roots = [...Object.keys(own.dependencies ?? {}), ...Object.keys(bundle.dependencies ?? {})]
  return { own, bundle, lock, paths: closure(lock, roots) }
}

/** @returns the paths in the lock file of these packages and of all that they need */
function closure(lock: Lock, roots: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>()
  const waiting = Array.from(roots, (name) => ({ name, from: '' }))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const path = placeOf(lock, next.name, next.from)
    if (path === null || found.has(path)) continue
    found.add(path)
    const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta = {} } = lock[path]!
    const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
    for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]) waiting.push({ name, from: path })
  }
  return found
}

/** As Node looks for it: next to the package that needs it, then further up. @returns null for an optional one that is not there */
function placeOf(lock: Lock, name: string, from: string): string | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (lock[path] !== undefined) return path
    if (folder === '') return null
  }
}

export const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 13)

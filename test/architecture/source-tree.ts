/** The source tree as the rules see it: every file with its facts, and package.json. Reads the disk once. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceFacts } from './source-parse.ts'
import { parseSource } from './source-parse.ts'

export interface SourceFile extends SourceFacts {
  /** From the root of the repository, with `/`. */
  readonly path: string
  /** First folder under src, or `web`; null for what is not in a module. */
  readonly module: string | null
  /** A test or a test's fixture: sizes apply, import rules do not. */
  readonly isTest: boolean
  /** A contract suite or a fake: all rules apply, but it is not counted in its folder. */
  readonly isSupport: boolean
}

export interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface SourceTree {
  readonly files: readonly SourceFile[]
  readonly byPath: ReadonlyMap<string, SourceFile>
  readonly manifest: Manifest
}

const codePattern = /\.[cm]?[jt]sx?$/
const folders = ['src', 'web', 'test', 'bench', 'scripts', 'examples']

export function readTree(root: string): SourceTree {
  const files = folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`),
    )
    .filter((path) => codePattern.test(path))
    .sort()
    .map((path) => describeFile(path, readFileSync(join(root, path), 'utf8')))
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest
  return { files, byPath: new Map(files.map((file) => [file.path, file])), manifest }
}

function describeFile(path: string, text: string): SourceFile {
  const parts = path.split('/')
  const name = parts.at(-1) ?? ''
  return {
    path,
    module: moduleOf(parts),
    isTest: parts[0] === 'test' || /(?:\.test|-fixture)\.[cm]?[jt]sx?$/.test(name),
    isSupport: /-contract\.ts$|^fake-.*\.ts$/.test(name),
    ...parseSource(path, text),
  }
}

function moduleOf([top, name, ...rest]: readonly string[]): string | null {
  if (top === 'web') return name === 'src' ? 'web' : null
  return top === 'src' && rest.length > 0 ? (name ?? null) : null
}

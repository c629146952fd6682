/**
 * Versions of Oxbow, built from copies of the sources: each with its number and one more step of the tables than the one before. Packed as
 * releases are, but without Node, and signed with a key of the test.
 */
import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { tarOf } from '../../scripts/package/archives.ts'
import { packageTree } from '../../scripts/package/package-tree.ts'
import { newestStep } from '../../src/store/migrations/schema-version.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
/** Next to the caches of other tools. */
const cache = join(repository, 'node_modules', '.cache', 'oxbow-versions')
const copied = [
  'bin',
  'bundle',
  'scripts',
  'skills',
  'programs',
  'src',
  'LICENSE',
  'CHANGELOG.md',
  'package.json',
  'package-lock.json',
  ...globSync('tsconfig*.json', { cwd: repository }),
  'tsdown.config.ts',
]

export const versions = ['0.1.0', '0.2.0', '0.3.0'] as const

/** @returns the root of a built version; made again when a source is newer. Of several test files that want it, one makes it. */
export function builtVersion(version: (typeof versions)[number]): string {
  mkdirSync(cache, { recursive: true })
  const lock = join(cache, `${version}.lock`)
  while (!isTaken(lock)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
  try {
    return freshVersion(version)
  } finally {
    rmSync(lock, { recursive: true })
  }
}

/** A process that was killed leaves its lock. */
const lockMs = 5 * 60_000

function isTaken(lock: string): boolean {
  const at = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
  if (at !== undefined && at < Date.now() - lockMs) rmSync(lock, { recursive: true, force: true })
  try {
    mkdirSync(lock)
    return true
  } catch {
    return false
  }
}

function freshVersion(version: (typeof versions)[number]): string {
  const root = join(cache, version)
  const stamp = join(root, 'built')
  const builtAt = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = globSync(['src/**/*.ts', 'bin/*', 'tsdown.config.ts', 'package.json', 'test/upgrade/built-versions.ts'], {
    cwd: repository,
  })
  if (sources.every((file) => statSync(join(repository, file)).mtimeMs < builtAt)) return root
  rmSync(root, { recursive: true, force: true })
  buildInto(root, version)
  writeFileSync(stamp, '')
  return root
}

/** What a package is made of, in a folder that does not exist. */
export function buildInto(root: string, version: (typeof versions)[number]): void {
  // Node strips no types below `node_modules`, where the cache is.
  const work = mkdtempSync(join(tmpdir(), 'oxbow-version-'))
  try {
    build(work, version)
    for (const name of ['bin', 'dist', 'programs', 'skills', 'LICENSE', 'package.json'])
      cpSync(join(work, name), join(root, name), { recursive: true })
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  // The pages in the browser are the same in all of them, and are not asked for.
  mkdirSync(join(root, 'dist', 'web'), { recursive: true })
  writeFileSync(join(root, 'dist', 'web', 'index.html'), '')
}

function build(root: string, version: (typeof versions)[number]): void {
  for (const name of copied) cpSync(join(repository, name), join(root, name), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  change(root, 'package.json', '"version": "0.1.0"', `"version": "${version}"`)
  for (const program of ['src/cli/main.ts', 'src/runner/daemon/main.ts', 'src/sdk/start.ts'])
    change(root, program, `const version = '0.1.0'`, `const version = '${version}'`)
  for (let step = 1; step <= versions.indexOf(version); step += 1) {
    addStep(root, newestStep + step)
    addConfigStep(root)
  }
  const run = (...args: readonly string[]): void =>
    void execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  run('scripts/make-statements.ts')
  run(join(repository, 'node_modules/tsdown/dist/run.mjs'), '--logLevel', 'error')
}

/** A table that only this step makes. Programs before it do not know it, so they refuse the store. */
function addStep(root: string, id: number): void {
  const step = `up: (on) => [on.table('tried_${id}', { user: 'text', id: 'text' }, ['user', 'id'])], down: (on) => [on.schema.dropTable('tried_${id}')]`
  change(root, 'src/store/migrations/migration-steps.ts', '\n])\n\n/** A step as', `\n  [${id}, { ${step} }],\n])\n\n/** A step as`)
  const path = join(root, 'src/store/migrations/migration-steps.ts')
  const program = `const { checksumOf } = await import('${pathToFileURL(join(root, 'src/store/migrations/migration-step.ts')).href}')
    const { migrationSteps } = await import('${pathToFileURL(path).href}')
    process.stdout.write(checksumOf(migrationSteps.get(${id})))`
  const checksum = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  change(
    root,
    'src/store/migrations/schema-version.ts',
    '\n]\n\n/** The version of',
    `\n  step(${id}, 'tried-${id - newestStep === 1 ? 'one' : 'two'}', [${id}, ${id}], '${checksum}'),\n]\n\n/** The version of`,
  )
}

/** A version of configuration files: programs before it refuse one that names it. */
function addConfigStep(root: string): void {
  change(root, 'src/runner/config/config-versions.ts', '\n]\n\n/** The one', '\n  { forward: () => [], back: () => [] },\n]\n\n/** The one')
}

function change(root: string, file: string, from: string, to: string): void {
  const path = join(root, file)
  const text = readFileSync(path, 'utf8')
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
  writeFileSync(path, text.replace(from, to))
}

export interface Releases {
  /** With packages, hashes and their signature. */
  readonly folder: string
  /** For `upgrade.keys`. */
  readonly key: string
  readonly privateKey: KeyObject
}

/** @param edits changes files of a version before it is packed: faults */
export function packVersions(folder: string, edits: Readonly<Record<string, Readonly<Record<string, string>>>> = {}): Releases {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  mkdirSync(folder, { recursive: true })
  for (const version of versions.slice(1)) {
    const name = releaseName(version)
    const parts = {
      root: builtVersion(version),
      platform: process.platform,
      arch: process.arch,
      manual: Buffer.alloc(0),
      bill: '',
      node: null,
    }
    const shipped = { own: {}, bundle: {}, lock: {}, paths: new Set<string>() }
    const replaced = edits[version] ?? {}
    const files = packageTree({ ...parts, shipped }, (path) => replaced[path])
    writeFileSync(join(folder, `${name}.tar.gz`), gzipSync(tarOf(files, 0, `${name}/`), { level: 1 }))
  }
  signAll(folder, privateKey)
  return { folder, privateKey, key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') }
}

export function releaseName(version: string): string {
  return `oxbow-${version}-${process.platform}-${process.arch}`
}

export function signAll(folder: string, key: KeyObject): void {
  const files = globSync('*.tar.gz', { cwd: folder }).toSorted()
  const sums = Buffer.from(
    files
      .map(
        (file) =>
          `${createHash('sha256')
            .update(readFileSync(join(folder, file)))
            .digest('hex')}  ${file}\n`,
      )
      .join(''),
  )
  writeFileSync(join(folder, 'SHA256SUMS'), sums)
  writeFileSync(join(folder, 'SHA256SUMS.sig'), sign(null, sums, key))
}

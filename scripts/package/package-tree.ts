/**
 * The files of a package: the built product, what of its dependencies is loaded at run time, Node, the manual, licences, and the list of
 * all of them with hashes, which `oxbow upgrade` checks.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileList } from '../../src/runner/upgrade/versions.ts'
import type { PackedFile } from './archives.ts'
import { nameOf, type Shipped } from './lock-file.ts'

export interface TreeParts {
  /** Of the repository. */
  readonly root: string
  readonly platform: string
  readonly arch: string
  readonly manual: Buffer
  readonly bill: string
  readonly shipped: Shipped
  /** Path of the Node that goes along; null: whoever starts it brings one. */
  readonly node: string | null
}

/** Found by name at run time, and installed by npm where npm installs; everything else is in the bundle. */
const loaded = '@lydell/node-pty'

/** SQLite for other machines than this one, next to the bundle. */
const isForeign = (path: string, target: string): boolean => path.startsWith('dist/sqlite/prebuilds/') && !path.endsWith(`/${target}.node`)

/**
 * @param replaced text that is packed instead of what a file has
 * @throws Error when something was not built
 */
export function packageTree(parts: TreeParts, replaced: (path: string) => string | undefined = () => undefined): readonly PackedFile[] {
  const { root, platform, arch, manual, bill, shipped, node } = parts
  const target = `${platform}-${arch}`
  const text = (path: string, content: string | Buffer, isExecutable = false): PackedFile => ({
    path,
    content: Buffer.from(content),
    isExecutable,
  })
  const modules = [loaded, `${loaded}-${target}`].flatMap((name) =>
    filesIn(join(root, 'node_modules', name))
      .filter(({ path }) => !/\.(?:d\.ts|map)$/.test(path))
      .map((file) => ({ ...file, path: `node_modules/${name}/${file.path}` })),
  )
  const dist = filesIn(join(root, 'dist'))
  for (const needed of ['release.json', 'oxbow.js', 'guest.js', 'hands.cjs', 'web/index.html'])
    if (!dist.some(({ path }) => path === needed)) throw new Error(`dist/${needed} is missing: npm run build`)
  const files = [
    ...commands(root).map((name) => text(`bin/${name}`, shellStart(name), true)),
    ...['bin', 'dist', 'programs', 'skills']
      .filter((folder) => existsSync(join(root, folder)))
      .flatMap((folder) =>
        filesIn(join(root, folder))
          .map((file) => ({ ...file, path: `${folder}/${file.path}` }))
          .filter(({ path }) => !isForeign(path, target)),
      ),
    ...modules,
    ...(node === null ? [] : [text('node/bin/node', readFileSync(node), true)]),
    text('package.json', manifestText(root)),
    text('LICENSE', readFileSync(join(root, 'LICENSE'))),
    text('THIRD-PARTY-LICENSES.txt', licenceTexts(root, target, shipped)),
    text('bill-of-materials.cdx.json', bill),
    text('share/man/man1/oxbow.1', manual),
  ]
    .map((file) => ({ ...file, content: Buffer.from(replaced(file.path) ?? file.content) }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const sums = files.map(({ path, content }) => `${createHash('sha256').update(content).digest('hex')}  ${path}\n`)
  return [...files, text(fileList, sums.join(''))]
}

/** Programs that a person can start. */
export function commands(root: string): readonly string[] {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly bin: Readonly<Record<string, string>> }
  return Object.keys(bin)
}

/**
 * @returns the files of npm's package, as `npm publish` takes them from a checkout, without what only a checkout needs
 * @throws Error when something was not built
 */
export function npmTree(root: string): readonly PackedFile[] {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown> & {
    readonly files: readonly string[]
  }
  const { devDependencies: _dev, scripts: _scripts, overrides: _overrides, ...rest } = manifest
  return [
    { path: 'package.json', content: Buffer.from(`${JSON.stringify(rest, null, 2)}\n`), isExecutable: false },
    ...['LICENSE', 'README.md']
      .filter((path) => existsSync(join(root, path)))
      .map((path) => ({ path, content: readFileSync(join(root, path)), isExecutable: false })),
    ...manifest.files.flatMap((folder) => filesIn(join(root, folder)).map((file) => ({ ...file, path: `${folder}/${file.path}` }))),
  ]
}

function filesIn(folder: string): readonly PackedFile[] {
  if (!existsSync(folder)) throw new Error(`${folder} is missing: npm ci, then npm run build`)
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return { path: path.slice(folder.length + 1), content: readFileSync(path), isExecutable: false }
    })
    .filter(({ path }) => !path.startsWith('node_modules/'))
}

/** Its own Node, wherever the package lies and whatever links lead to it. */
function shellStart(name: string): string {
  return `#!/bin/sh
# Starts ${name} with the Node that came with it; what stands behind the dashes is no option of Node, such as --env-file.
self=$(readlink -f "$0")
root=\${self%/bin/*}
exec "$root/node/bin/node" -- "$root/bin/${name}.js" "$@"
`
}

/** Without what only a checkout needs. */
function manifestText(root: string): string {
  const { name, version, description, license, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >
  return `${JSON.stringify({ name, version, description, license, type }, null, 2)}\n`
}

function licenceTexts(root: string, target: string, { lock, paths }: Shipped): string {
  const ofPackages = [...new Map([...paths].map((path) => [`${nameOf(path)} ${lock[path]!.version}`, path]))].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  )
  const ofNode = readFileSync(join(root, 'node_modules', `node-${target}`, 'LICENSE'), 'utf8')
  const texts = ofPackages.map(([name, path]) => {
    const folder = join(root, path)
    const file = existsSync(folder)
      ? readdirSync(folder)
          .toSorted()
          .find((each) => /^(?:licen[cs]e|copying)/i.test(each))
      : undefined
    const licence = file === undefined ? `Licence: ${lock[path]!.license}` : readFileSync(join(folder, file), 'utf8').trim()
    return `${name}\n\n${licence}`
  })
  return `${['What Oxbow brings of others, and their licences.', `Node.js\n\n${ofNode.trim()}`, ...texts].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`
}

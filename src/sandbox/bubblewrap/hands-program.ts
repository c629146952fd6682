/**
 * The hands program as one JavaScript file, in CommonJS, and its compiled code; and the hosts of plugins, which are made the same way.
 *
 * An installation includes the file (`dist/hands.cjs`). In a checkout it is bundled from the sources by the bundler of the installation,
 * with the same settings: about 0.15 s, most of it to load the bundler, so the result is cached. One file without types saves at every
 * start: Node inside would need 40 ms and 14 MB more to strip types, and 15 ms and 4 MB more to load twenty files instead of one.
 *
 * Compiled code saves as much again: V8 would compile 200 kB at each start, some 10 ms. It is made by the kernel while hands start without
 * it, and never by hands: nothing from one sandbox may run in the next.
 */
import { hash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OxbowError, writeWhole } from '../../base/index.ts'
import type { OwnProgram } from '../../protocol/index.ts'

/** Found by the manifest, which is next to the packages. */
const checkout = dirname(fileURLToPath(new URL('../../../package.json', import.meta.url)))

/** @returns the file of this installation that starts the program: next to the bundle, or in the sources. */
export function findHandsEntry(name: 'hands' | OwnProgram = 'hands'): string {
  const bundled = fileURLToPath(new URL(`./${name}.cjs`, import.meta.url))
  return existsSync(bundled) ? bundled : join(checkout, `src/${name}/main.ts`)
}

/**
 * @param folders where a bundle may be cached; the first that only this user can write is used
 * @throws OxbowError `sandbox_missing` in a checkout without the bundler; Error if bundling fails
 */
export async function loadHandsProgram(entry: string = findHandsEntry(), folders: readonly string[] = keptFolders()): Promise<string> {
  if (!entry.endsWith('.ts')) return readFileSync(entry, 'utf8')
  const folder = folders.find(isPrivate)
  const file = folder === undefined ? null : join(folder, `hands-${hash('sha256', entry).slice(0, 16)}.cjs`)
  const kept = file === null ? null : readBundle(file)
  if (kept !== null) return kept
  const { program, inputs } = await bundle(entry)
  if (file !== null) keepBundle(file, program, inputs)
  return program
}

/**
 * Next to the packages, which run in this process too; or, if the checkout belongs to another user, in Node's compile cache. Both are
 * already trusted as code.
 */
function keptFolders(): readonly string[] {
  const packages = join(checkout, 'node_modules')
  const compiled = process.getBuiltinModule('node:module').getCompileCacheDir()
  return [...(existsSync(packages) ? [join(packages, '.cache/oxbow-hands')] : []), ...(compiled === undefined ? [] : [compiled])]
}

/** A folder that others can write would let them replace hands. Never throws. */
function isPrivate(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(folder)
    return process.getuid === undefined || (uid === process.getuid() && (mode & 0o022) === 0)
  } catch {
    return false
  }
}

/** Sources of a bundle, by path from the checkout, each with its hash: a change of any makes it stale. */
type Inputs = readonly (readonly [path: string, sha256: string])[]

interface Bundle {
  readonly program: string
  readonly inputs: Inputs
}

/** @returns null if it is missing, truncated, or of other sources. Never throws. */
function readBundle(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8')
    const end = text.indexOf('\n')
    const { inputs, program: made } = JSON.parse(text.slice(2, end)) as { inputs: Inputs; program: string }
    const program = text.slice(end + 1)
    const isFresh = inputs.length > 0 && inputs.every(([path, sum]) => hash('sha256', readFileSync(resolve(checkout, path))) === sum)
    return isFresh && hash('sha256', program) === made ? program : null
  } catch {
    return null
  }
}

/** Never throws: without a cache it is bundled again. */
function keepBundle(file: string, program: string, inputs: Inputs): void {
  try {
    writeWhole(file, `//${JSON.stringify({ inputs, program: hash('sha256', program) })}\n${program}`)
  } catch {
    // The disk may be full.
  }
}

async function bundle(entry: string): Promise<Bundle> {
  const { rolldown } = await loadBundler()
  // As in tsdown.config.ts. Comments contain paths: `cwd` is fixed, so that the same sources give the same program.
  await using build = await rolldown({ cwd: checkout, input: entry, platform: 'node', transform: { target: 'node24' }, logLevel: 'silent' })
  const { output } = await build.generate({ format: 'cjs', codeSplitting: false })
  const [made, ...others] = output
  if (made?.type !== 'chunk' || others.length > 0) throw new Error(`${entry} was not bundled into one file`)
  // All files that were read, also those inlined as a constant. The bundler and the settings in this file count too.
  const read = (await build.watchFiles).filter((path) => isAbsolute(path) && existsSync(path))
  const files = [...read, fileURLToPath(import.meta.url), join(checkout, 'node_modules/rolldown/package.json')]
  const inputs = files.map((path) => [relative(checkout, path), hash('sha256', readFileSync(path))] as const)
  return { program: made.code, inputs }
}

/** A development dependency, never part of an installation: named by a variable so that no bundler includes it. */
async function loadBundler(): Promise<typeof import('rolldown')> {
  const name = 'rolldown'
  try {
    return (await import(name)) as typeof import('rolldown')
  } catch (cause) {
    throw new OxbowError('sandbox_missing', 'The program of the sandbox has not been built, and its bundler is not installed.', {
      hint: 'Run npm ci with development dependencies; or run npm run build where they are installed, and copy dist/ here.',
      cause,
    })
  }
}

const hashBytes = 32
/** As Node wraps a CommonJS module. */
const wrapper = ['(function (exports, require, module, __filename, __dirname) {', '\n})'] as const
const insideCode = '/opt/oxbow/hands.code'
const insideLoader = '/opt/oxbow/start.cjs'

export interface StartFiles {
  /** Files to mount along with the program. */
  readonly files: readonly { readonly path: string; readonly text: string | Buffer }[]
  /** The file that Node starts. */
  readonly entry: string
}

/** @returns the cached code for this program and this Node, or null. */
export function findCode(program: string, folder: string, name: 'hands' | OwnProgram = 'hands'): Buffer | null {
  try {
    const kept = readFileSync(join(folder, nameOf(program, name)))
    const code = kept.subarray(hashBytes)
    return sha256(code).equals(kept.subarray(0, hashBytes)) ? code : null
  } catch {
    return null
  }
}

/** Compiles the code and replaces the cache. Never throws: without it a start is slower. */
export function makeCode(program: string, folder: string, of: 'hands' | OwnProgram = 'hands'): Buffer | null {
  try {
    const { Script } = process.getBuiltinModule('node:vm')
    const code = new Script(wrapper.join(program)).createCachedData()
    const name = nameOf(program, of)
    const isKept = new RegExp(`^${of}-\\w+\\.code`)
    mkdirSync(folder, { recursive: true })
    for (const old of readdirSync(folder)) if (isKept.test(old) && old !== name) rmSync(join(folder, old), { force: true })
    const draft = join(folder, `${name}-${process.pid}`)
    writeFileSync(draft, Buffer.concat([sha256(code), code]), { mode: 0o600 })
    renameSync(draft, join(folder, name))
    return code
  } catch {
    return null
  }
}

/** @param insideProgram path of the program in the sandbox */
export function startFiles(insideProgram: string, code: Buffer | null): StartFiles {
  if (code === null) return { files: [], entry: insideProgram }
  return {
    entry: insideLoader,
    files: [
      { path: insideCode, text: code },
      { path: insideLoader, text: loaderOf(insideProgram) },
    ],
  }
}

function loaderOf(insideProgram: string): string {
  const [before, after] = wrapper.map((text) => JSON.stringify(text))
  return `'use strict'
const { readFileSync } = require('node:fs')
const { Script, constants } = require('node:vm')
const program = ${before} + readFileSync('${insideProgram}', 'utf8') + ${after}
new Script(program, {
  filename: '${insideProgram}',
  cachedData: readFileSync('${insideCode}'),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}).runInThisContext()(exports, require, module, __filename, __dirname)
`
}

function nameOf(program: string, of: string): string {
  return `${of}-${sha256(`${process.versions.v8} ${process.arch}\n${program}`).toString('hex').slice(0, 24)}.code`
}

function sha256(data: string | Buffer): Buffer {
  return hash('sha256', data, 'buffer')
}

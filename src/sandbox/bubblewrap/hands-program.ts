/**
 * The hands program as one JavaScript file, in CommonJS. The bundle brings it ready; from sources its files are joined here,
 * without their types. Both save at every start: Node inside would need 40 ms and 14 MB more to strip types, and 15 ms and 4 MB
 * more to load twenty files instead of one.
 *
 * The joining is no general bundler. It knows named imports, `export function` and `export const`, in the form that the
 * formatter leaves, and refuses everything else; hands are written in that.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @returns the file of this installation that starts hands: beside the bundle, or in the sources. */
export function findHandsEntry(): string {
  const bundled = fileURLToPath(new URL('./hands.cjs', import.meta.url))
  return existsSync(bundled) ? bundled : fileURLToPath(new URL('../../hands/main.ts', import.meta.url))
}

/** @throws Error for a source that is written in another way than this file knows: a bug, found by any test that starts hands. */
export function loadHandsProgram(entry: string): string {
  return entry.endsWith('.ts') ? joinOnce(entry) : readFileSync(entry, 'utf8')
}

/**
 * Joining takes a third of a second, nearly all of it to load what strips types. So it is kept where Node keeps the code that it
 * compiled, and that place is trusted as much: whoever can write there is the kernel anyway. Where Node keeps none, nothing is kept.
 */
function joinOnce(entry: string): string {
  const folder = process.getBuiltinModule('node:module').getCompileCacheDir()
  if (folder === undefined) return joinModules(entry)
  const name = `${keptPrefix}${sourcesHash(entry)}.cjs`
  try {
    return readFileSync(join(folder, name), 'utf8')
  } catch {
    const program = joinModules(entry)
    keepProgram(folder, name, program)
    return program
  }
}

const keptPrefix = 'oxbow-hands-'

/** Never throws: what cannot be kept is joined again. */
function keepProgram(folder: string, name: string, program: string): void {
  try {
    for (const old of readdirSync(folder)) if (old.startsWith(keptPrefix)) rmSync(join(folder, old), { force: true })
    const draft = join(folder, `${name}-${process.pid}`)
    writeFileSync(draft, program, { mode: 0o600 })
    renameSync(draft, join(folder, name))
  } catch {
    // A full disk, or a folder that only others may write.
  }
}

/** Of this file too: another way to join is another program. */
function sourcesHash(entry: string): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  const seen = new Set<string>()
  const add = (path: string): void => {
    if (seen.has(path)) return
    seen.add(path)
    const source = readFileSync(path, 'utf8')
    hash.update(`${source.length}\n${source}`)
    for (const [, , from] of source.matchAll(importLine)) if (!from!.startsWith('node:')) add(join(dirname(path), from!))
  }
  for (const path of [fileURLToPath(import.meta.url), entry]) add(path)
  return hash.digest('hex').slice(0, 24)
}

const importLine = /^import\s+\{([^}]*)\}\s+from\s+'([^']+)'$/gm
const exportLine = /^export ((?:async )?function\*? |const )(\w+)/gm

/** Each module becomes a function that returns its exports, in the order in which they need each other. */
function joinModules(entry: string): string {
  const builtins = new Map<string, string>()
  const modules = new Map<string, string>()
  const joined: string[] = []

  const variableFor = (known: Map<string, string>, key: string, prefix: string): string => {
    const name = known.get(key) ?? `${prefix}${known.size}`
    known.set(key, name)
    return name
  }
  const bodyOf = (path: string): string =>
    stripTypes(readFileSync(path, 'utf8')).replace(importLine, (_line, names: string, from: string) => {
      const variable = from.startsWith('node:') ? variableFor(builtins, from, 'builtin') : addModule(join(dirname(path), from))
      return `const {${names.replace(/\bas\b/g, ':')}} = ${variable}`
    })
  const addModule = (path: string): string => {
    const known = modules.get(path)
    if (known !== undefined) return known
    const body = bodyOf(path)
    const exported = [...body.matchAll(exportLine)].map((match) => match[2])
    const name = variableFor(modules, path, 'module')
    joined.push(`const ${name} = (() => {\n${checked(body.replace(exportLine, '$1$2'), path)}\nreturn { ${exported.join(', ')} }\n})()`)
    return name
  }
  const main = checked(bodyOf(entry), entry)
  const head = [...builtins].map(([from, name]) => `const ${name} = require('${from}')`)
  return ["'use strict'", ...head, ...joined, main].join('\n')
}

function checked(body: string, path: string): string {
  const [line] = /^(?:import|export)\b.*$/m.exec(body) ?? []
  if (line !== undefined) throw new Error(`${path} cannot be joined: ${line}`)
  return body
}

function stripTypes(source: string): string {
  // Experimental in name only: it is what runs this very file. Its notice would be the first thing that a person sees.
  const warn = Object.getOwnPropertyDescriptor(process, 'emitWarning')!
  process.emitWarning = () => undefined
  try {
    return process.getBuiltinModule('node:module').stripTypeScriptTypes(source)
  } finally {
    Object.defineProperty(process, 'emitWarning', warn)
  }
}

/**
 * The hands program as one JavaScript file, in CommonJS. The bundle brings it ready; from sources its files are joined here,
 * without their types. Both save at every start: Node inside would need 40 ms and 14 MB more to strip types, and 15 ms and 4 MB
 * more to load twenty files instead of one.
 *
 * The joining is no general bundler. It knows named imports, `export function` and `export const`, in the form that the
 * formatter leaves, and refuses everything else; hands are written in that.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @returns the file of this installation that starts hands: beside the bundle, or in the sources. */
export function findHandsEntry(): string {
  const bundled = fileURLToPath(new URL('./hands.cjs', import.meta.url))
  return existsSync(bundled) ? bundled : fileURLToPath(new URL('../../hands/main.ts', import.meta.url))
}

/** @throws Error for a source that is written in another way than this file knows: a bug, found by any test that starts hands. */
export function loadHandsProgram(entry: string): string {
  return entry.endsWith('.ts') ? joinModules(entry) : readFileSync(entry, 'utf8')
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

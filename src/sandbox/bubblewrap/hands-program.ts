/**
 * The files of the hands program, as JavaScript. From the bundle they are read as they are; from sources their types are
 * stripped here once, because Node inside the sandbox would need 40 ms and 14 MB more at every start to do it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ProgramFile {
  /** Path below the program's folder, with `/`. */
  readonly path: string
  readonly text: string
}

export interface HandsProgram {
  /** The first is the one to start. */
  readonly files: readonly ProgramFile[]
}

/** @returns the file of this installation that starts hands: beside the bundle, or in the sources. */
export function findHandsEntry(): string {
  const bundled = fileURLToPath(new URL('./hands.js', import.meta.url))
  return existsSync(bundled) ? bundled : fileURLToPath(new URL('../../hands/main.ts', import.meta.url))
}

/** Reads the entry and every file that it imports by a relative path. */
export function loadHandsProgram(entry: string): HandsProgram {
  const sources = new Map<string, string>()
  const load = (path: string): void => {
    if (sources.has(path)) return
    const text = path.endsWith('.ts') ? stripTypes(readFileSync(path, 'utf8')) : readFileSync(path, 'utf8')
    sources.set(path, text)
    for (const [, target] of text.matchAll(relativeImport)) load(join(dirname(path), target!))
  }
  load(entry)
  const top = commonFolder([...sources.keys()])
  const files = [...sources].map(([path, text]) => ({
    path: toModuleName(relative(top, path).replaceAll(sep, '/')),
    text: text.replace(relativeImport, (whole) => toModuleName(whole.slice(0, -1)) + whole.at(-1)),
  }))
  return { files }
}

/** A static import or re-export of a file of our own, as the formatter writes it. */
const relativeImport = /^(?:import|export|\})[^'"\n]*['"](\.{1,2}\/[^'"]+)['"]/gm

/** `.mjs` is a module wherever it stands: there is no package.json inside. */
function toModuleName(path: string): string {
  return path.replace(/\.(?:ts|js)$/, '.mjs')
}

function commonFolder(paths: readonly string[]): string {
  let top = dirname(paths[0]!)
  while (!paths.every((path) => path.startsWith(top + sep))) top = dirname(top)
  return top
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

/**
 * Compiled code of the hands program. Node inside would compile 200 kB at each start, some 10 ms; V8 takes code that was made
 * before, and by itself refuses what is of another text or another V8.
 *
 * It is made by the kernel while hands start without it, and never by hands: nothing that comes out of one sandbox may run in
 * the next one. A file that was cut or changed would crash hands, so its hash stands before it.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const hashBytes = 32
/** As Node wraps a CommonJS module. */
const wrapper = ['(function (exports, require, module, __filename, __dirname) {', '\n})'] as const
const insideCode = '/opt/oxbow/hands.code'
const insideLoader = '/opt/oxbow/start.cjs'

export interface StartFiles {
  /** What is shown inside beside the program. */
  readonly files: readonly { readonly path: string; readonly text: string | Buffer }[]
  /** The file that Node starts with. */
  readonly entry: string
}

/** @returns the code that is kept for this program and this Node, or null. */
export function findCode(program: string, folder: string): Buffer | null {
  try {
    const kept = readFileSync(join(folder, nameOf(program)))
    const code = kept.subarray(hashBytes)
    return sha256(code).equals(kept.subarray(0, hashBytes)) ? code : null
  } catch {
    return null
  }
}

/** Makes the code and keeps it for the next start, in place of what was kept before. Never throws: without it a start is slower. */
export function makeCode(program: string, folder: string): Buffer | null {
  try {
    const { Script } = process.getBuiltinModule('node:vm')
    const code = new Script(wrapper.join(program)).createCachedData()
    const name = nameOf(program)
    mkdirSync(folder, { recursive: true })
    for (const old of readdirSync(folder)) if (/^hands-\w+\.code/.test(old) && old !== name) rmSync(join(folder, old), { force: true })
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

function nameOf(program: string): string {
  return `hands-${sha256(`${process.versions.v8} ${process.arch}\n${program}`).toString('hex').slice(0, 24)}.code`
}

function sha256(data: string | Buffer): Buffer {
  return process.getBuiltinModule('node:crypto').hash('sha256', data, 'buffer')
}

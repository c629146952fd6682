/** Runs what a program brings: `main.js`, or `main.wasm` with the files mounted that its paths name. */
import { type Json, type JsonObject, isOxbowError, OxbowError } from '../../base/index.ts'
import { scriptThreads, runTool, type ScriptThreads, type WasmTool } from '../../sandbox/index.ts'
import { maxMountedFiles, moduleMs, scriptMemoryMb } from './limits.ts'
import { listedCalls, type ProgramPackage } from './program-package.ts'
import { callAt, Fatal, inWords, reply, runProgramScript, type ScriptDeps, type ScriptEnd } from './program-script.ts'

/** Threads for scripts; one is started ahead. */
export function openThreads(): Promise<ScriptThreads> {
  return scriptThreads(scriptMemoryMb)
}

type ToolMount = NonNullable<WasmTool['mounts']>[number]

export interface CodeDeps extends Omit<ScriptDeps, 'source'> {
  readonly program: ProgramPackage
}

/** @throws the reason of the signal; OxbowError `program_diverged`, `limit_reached` */
export async function runProgramCode({ program, ...deps }: CodeDeps): Promise<ScriptEnd> {
  if (program.script !== null) return runProgramScript({ ...deps, source: program.script })
  try {
    return await runModule(deps, program)
  } catch (error) {
    throw error instanceof Fatal ? error.failure : error
  }
}

type MakeCall = (name: string, input: JsonObject) => Promise<JsonObject>

/**
 * A WASI module sees copies of the files; it gets its input as JSON on standard input, and writes its result there. The files are read, and what
 * it has changed is written, by calls of the run: the gate judges them, and a run that goes on is given what was read before.
 */
async function runModule(deps: Omit<ScriptDeps, 'source'>, { manifest, module }: ProgramPackage): Promise<ScriptEnd> {
  let next = 0
  const call: MakeCall = async (name, input) => {
    deps.signal.throwIfAborted()
    return (reply(await callAt(deps, next++, name, input)) as JsonObject)['output'] as JsonObject
  }
  const listed = new Set(listedCalls(manifest).map((each) => each.call))
  const mode = listed.has('file.write') ? 'rw' : 'ro'
  const paths = listed.has('file.read') || mode === 'rw' ? manifest.rights.paths : []
  const { computeMs = moduleMs } = deps
  const mounts: ToolMount[] = []
  for (const path of paths)
    mounts.push({ guest: path.replace(/\/$/, ''), mode, files: listed.has('file.read') ? await filesIn(path, call) : [] })
  const outcome = await runTool({
    kind: 'wasi',
    code: Buffer.from(module!, 'base64'),
    input: deps.input,
    mounts,
    limits: { timeoutMs: computeMs, memoryMb: scriptMemoryMb },
    signal: deps.signal,
  })
  deps.signal.throwIfAborted()
  const printed = outcome.stderr.text
  const fails = (code: 'tool_failed', message: string): ScriptEnd => ({
    value: null,
    printed,
    failure: { code, message, hint: 'See what it printed.' },
  })
  if (!outcome.ok) return { value: null, printed, failure: inWords(outcome.failure, 'main.wasm', computeMs) }
  if (outcome.exitCode !== 0) return fails('tool_failed', `main.wasm ended with ${outcome.exitCode}.`)
  const value = outcome.stdout.text.trim() === '' ? null : jsonOf(outcome.stdout.text)
  if (value === undefined) return fails('tool_failed', 'main.wasm wrote something to standard output that is not JSON.')
  for (const change of outcome.changes) {
    if (change.kind === 'written') await call('file.write', { path: change.path, text: textOf(change.path, change.bytes) })
    else if (change.kind === 'removed') await call('file.delete', { path: change.path, recursive: true })
  }
  return { value, printed, failure: null }
}

/** What is no text is left out: the calls of files read texts. */
async function filesIn(folder: string, call: MakeCall): Promise<ToolMount['files']> {
  const files: { path: string; bytes: Uint8Array }[] = []
  const base = folder.endsWith('/') ? folder : `${folder}/`
  for (let skip = 0; ;) {
    const { entries, truncated } = (await call('file.list', { path: folder, depth: 20, all: true, skip }).catch((error: unknown) => {
      if (isOxbowError(error, 'not_found')) return { entries: [], truncated: false }
      throw error
    })) as unknown as { readonly entries: readonly { readonly path: string; readonly kind: string }[]; readonly truncated: boolean }
    for (const { path, kind } of entries) {
      if (kind !== 'file') continue
      if (files.length >= maxMountedFiles)
        throw new OxbowError('limit_reached', `${folder} has more than ${maxMountedFiles} files.`, {
          hint: 'Name a smaller folder under paths.',
        })
      const text = await textAt(path, call)
      if (text !== null) files.push({ path: path.slice(base.length), bytes: new TextEncoder().encode(text) })
    }
    if (!truncated || entries.length === 0) return files
    skip += entries.length
  }
}

/** @returns null for a file that is no text */
async function textAt(path: string, call: MakeCall): Promise<string | null> {
  let text = ''
  for (let from = 1; ;) {
    const page = await call('file.read', { path, from_line: from, max_lines: 2_000 }).catch((error: unknown) => {
      if (isOxbowError(error, 'not_text')) return null
      throw error
    })
    const { text: lines, lines: count, newline, total_lines: total, cut } = (page ?? {}) as Record<string, Json | undefined>
    if (typeof lines !== 'string' || cut === true) return null
    text += lines + (newline === true ? '\n' : '')
    from += Number(count)
    if (Number(count) === 0 || from > Number(total)) return text
  }
}

function textOf(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new OxbowError('not_text', `main.wasm wrote ${path}, which is not text.`, {
      hint: 'A program writes text files; encode anything else, such as in base64.',
      cause,
    })
  }
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

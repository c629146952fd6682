/** Whether a run can be tried at all: sizes, limits, and mounts whose paths lead nowhere but into themselves. */
import type { ErrorCode, Failure } from '../../types/index.ts'
import {
  maxToolCodeBytes,
  maxToolFileBytes,
  maxToolFiles,
  maxToolInputBytes,
  maxToolMemoryMb,
  maxToolMounts,
  maxToolOutputBytes,
  maxToolPathChars,
  maxToolTimeoutMs,
  toolFileBytes,
  toolMemoryMb,
  toolOutputBytes,
  toolTimeoutMs,
} from '../limits.ts'
import type { ToolLimits, ToolMount, WasmTool } from './wasm-tool.ts'

/** What a tool has that says nothing about its limits. */
export const defaultToolLimits: ToolLimits = {
  memoryMb: toolMemoryMb,
  timeoutMs: toolTimeoutMs,
  outputBytes: toolOutputBytes,
  fileBytes: toolFileBytes,
}

const maxima: ToolLimits = {
  memoryMb: maxToolMemoryMb,
  timeoutMs: maxToolTimeoutMs,
  outputBytes: maxToolOutputBytes,
  fileBytes: maxToolFileBytes,
}

/** @returns why not, or null. @param input as JSON */
export function refuseRequest(tool: WasmTool, input: string, limits: ToolLimits): Failure | null {
  if (tool.code.length > maxToolCodeBytes) {
    return refuse('limit_reached', `The tool has ${tool.code.length} bytes; the limit is ${maxToolCodeBytes}.`, 'Build it smaller.')
  }
  if (input.length > maxToolInputBytes) {
    return refuse('limit_reached', `The input has ${input.length} characters; the limit is ${maxToolInputBytes}.`, 'Give it as a file.')
  }
  for (const name of Object.keys(maxima) as (keyof ToolLimits)[]) {
    if (Number.isInteger(limits[name]) && limits[name] > 0 && limits[name] <= maxima[name]) continue
    return refuse('bad_input', `The limit ${name} cannot be ${limits[name]}.`, `Give a whole number from 1 to ${maxima[name]}.`)
  }
  return refuseMounts(tool.mounts ?? [], limits)
}

function refuseMounts(mounts: readonly ToolMount[], { fileBytes }: ToolLimits): Failure | null {
  if (mounts.length > maxToolMounts) return refuse('limit_reached', `There are more than ${maxToolMounts} mounts.`, 'Mount a folder above.')
  const files = mounts.flatMap((mount) => mount.files)
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0)
  if (files.length > maxToolFiles || bytes > fileBytes) {
    return refuse(
      'limit_reached',
      `The mounts have ${files.length} files with ${bytes} bytes; the limits are ${maxToolFiles} and ${fileBytes}.`,
      'Mount a smaller folder, or raise the limit.',
    )
  }
  for (const [at, { guest, files: own }] of mounts.entries()) {
    if (!isPlainPath(guest.slice(1)) || !guest.startsWith('/')) return badPath(guest)
    const others = mounts.slice(at + 1).map((mount) => mount.guest)
    if (others.some((other) => `${other}/`.startsWith(`${guest}/`) || `${guest}/`.startsWith(`${other}/`))) {
      return refuse('path_refused', `The mount ${guest} stands inside another one, or is there twice.`, 'Mount folders side by side.')
    }
    const bad = refuseFiles(own.map(({ path }) => path))
    if (bad !== null) return badPath(bad)
  }
  return null
}

/** @returns the first path that is not plain, is there twice, or is both file and folder. */
function refuseFiles(paths: readonly string[]): string | null {
  const known = new Set(paths)
  const isBelowFile = (path: string): boolean =>
    path.split('/').some((_, depth, names) => depth > 0 && known.has(names.slice(0, depth).join('/')))
  return paths.find((path) => !isPlainPath(path) || isBelowFile(path)) ?? (known.size < paths.length ? (paths[0] ?? null) : null)
}

/** Relative, with `/`, and every part a name. */
export function isPlainPath(path: string): boolean {
  if (path.length > maxToolPathChars || path.includes('\0')) return false
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..')
}

const badPath = (path: string): Failure =>
  refuse('path_refused', `${JSON.stringify(path.slice(0, 200))} cannot be in a mount.`, 'Paths are plain names with / between, each once.')

const refuse = (code: ErrorCode, message: string, hint: string): Failure => ({ code, message, hint })

/** Small files on the host that others read while they are kept: containers that are shown them, whoever starts a machine. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file, whole or not at all, where it is not there as it should be. Those that run keep the one that they have. */
export function keepFile(path: string, text: string): string {
  if (readQuietly(path) === text) return path
  mkdirSync(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, text, { mode: 0o644 })
  renameSync(draft, path)
  return path
}

function readQuietly(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

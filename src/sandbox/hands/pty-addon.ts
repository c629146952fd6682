/** The native part of `@lydell/node-pty`, by which hands make pseudo-terminals. Each tier puts it where hands look for it. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Hands know the same path: src/hands/sessions/session-process.ts. */
export const insidePtyAddon = '/opt/oxbow/pty.node'

/** @returns the file on this machine, or null: sessions then have pipes, and say so */
export function findPtyAddon(): string | null {
  try {
    // The part for this platform is installed for the package, and may stand where only that finds it.
    const main = import.meta.resolve('@lydell/node-pty')
    const part = createRequire(main).resolve(`@lydell/node-pty-${process.platform}-${process.arch}/package.json`)
    const file = join(dirname(part), 'pty.node')
    return existsSync(file) ? file : null
  } catch {
    return null
  }
}

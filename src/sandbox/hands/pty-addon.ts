/** The native addon of `@lydell/node-pty`, by which hands open pseudo-terminals. Each tier mounts it where hands load it. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** The same path is in src/hands/sessions/session-process.ts. */
export const insidePtyAddon = '/opt/oxbow/pty.node'

/** @returns the file on this machine, or null: sessions then have pipes, and report it */
export function findPtyAddon(): string | null {
  try {
    // The addon of this platform is a dependency of the package, and may be installed where only that resolves it.
    const main = import.meta.resolve('@lydell/node-pty')
    const part = createRequire(main).resolve(`@lydell/node-pty-${process.platform}-${process.arch}/package.json`)
    const file = join(dirname(part), 'pty.node')
    return existsSync(file) ? file : null
  } catch {
    return null
  }
}

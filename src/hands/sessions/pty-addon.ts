/**
 * Pseudo-terminals, by the native part of `@lydell/node-pty`, which the sandbox brings beside hands. Its own JavaScript is left
 * out: it forks in a way of its own, and hands start all processes in one way.
 */

/** Where whoever starts hands has put it. */
const insideAddon = '/opt/oxbow/pty.node'

export interface PtyAddon {
  /** Both descriptors pass on to whatever is started, unless they are covered: they are not marked to be closed at exec. */
  open(columns: number, rows: number): { readonly master: number; readonly slave: number; readonly pty: string }
  resize(master: number, columns: number, rows: number): void
}

/** @returns null where there is none, or it does not fit the system */
export function loadPtyAddon(): PtyAddon | null {
  const loaded: { exports: Partial<PtyAddon> } = { exports: {} }
  try {
    process.dlopen(loaded, insideAddon)
  } catch {
    return null
  }
  const { open, resize } = loaded.exports
  return open === undefined || resize === undefined ? null : { open, resize }
}

/** @returns whether a process has this number, whoever's it is; it may be another one than it was. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // Of another user: not ours to signal, so it lives.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

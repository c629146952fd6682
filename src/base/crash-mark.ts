/**
 * How a guest learns at its start that the one before it ended by itself: by an error that nobody caught, which that guest marks at the
 * last moment, or by a signal that no other program sends, which its runner marks. A guest that was stopped, or killed from outside, leaves
 * no mark. Recovery ends a turn in which this happens again (`kernel/turns/recovery.ts`).
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const pathIn = (workspaceRoot: string): string => join(workspaceRoot, 'internal', 'crashed')

/** Never throws: whoever calls this has a worse problem. */
export function leaveCrashMark(workspaceRoot: string): void {
  try {
    writeFileSync(pathIn(workspaceRoot), '', { mode: 0o600 })
  } catch {
    // The turn is resumed once more.
  }
}

/** @returns whether there was a mark, which is gone then */
export function takeCrashMark(workspaceRoot: string): boolean {
  const path = pathIn(workspaceRoot)
  if (!existsSync(path)) return false
  rmSync(path, { force: true })
  return true
}

/** Signals by which a process ends itself: an abort of V8 when memory runs out, and faults of native code. */
export const crashSignals: ReadonlySet<string> = new Set(['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP'])

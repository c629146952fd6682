/**
 * Verbs that run at the same time share one guest, and the one that started it stops it. Each verb leaves a mark in `ipc/` while it works,
 * so that the guest outlives the verb that started it until the others are done. The address is withdrawn first: a verb that finds it
 * afterwards would find a guest that is about to end, and one that found it before has left its mark.
 */
import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive } from '../base/index.ts'
import { maxLingerMs, otherGuestPollMs } from './limits.ts'

/**
 * @param ipc the folder `ipc` of the workspace
 * @returns a function that removes the mark. Never throws: without a mark, a verb may only lose its guest.
 */
export function markUse(ipc: string): () => void {
  const path = join(ipc, `verb-${process.pid}-${randomUUID()}`)
  try {
    sweep(ipc)
    writeFileSync(path, '', { mode: 0o600 })
  } catch {
    // A full disk; the verb itself reports it.
  }
  return () => rmSync(path, { force: true })
}

/** Resolves when no other verb uses the guest, or it has waited long enough. New verbs start a guest of their own. */
export async function waitForOthers(ipc: string): Promise<void> {
  rmSync(join(ipc, 'gateway.json'), { force: true })
  for (let waitedMs = 0; waitedMs < maxLingerMs && hasUsers(ipc); waitedMs += otherGuestPollMs) await sleep(otherGuestPollMs)
}

/** @returns the process that left a mark; null for any other file */
export function markedBy(name: string): number | null {
  const [, pid] = /^verb-(\d+)-/.exec(name) ?? []
  return pid === undefined ? null : Number(pid)
}

const hasUsers = (ipc: string): boolean => sweep(ipc).length > 0

/** Removes the marks of verbs that were killed. @returns the marks of living verbs */
function sweep(ipc: string): readonly string[] {
  return readdirSync(ipc).filter((name) => {
    const pid = markedBy(name)
    if (pid === null || isAlive(pid)) return pid !== null
    rmSync(join(ipc, name), { force: true })
    return false
  })
}

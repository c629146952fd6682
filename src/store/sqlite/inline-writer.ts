/**
 * Small batches are committed on the calling thread: a commit of a turn's records takes less time than the way to the writer's thread
 * and back. It writes to the log, which the operating system keeps in memory; nothing here waits for the disk: `fdatasync` runs in the
 * thread pool, and the writer's thread makes the checkpoints.
 *
 * What may take long is left to that thread: batches that are large, batches that find the file locked, and, after a commit that was slow,
 * everything for `asidePerSlow` times as long as that took: so a slow disk blocks the event loop for a small part of the time.
 */
import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import { type Clock, systemClock, type UserId } from '../../base/index.ts'
import { asidePerSlow, maxInlineChars, maxInlineCommits, maxInlineRecords, slowCommitMs } from '../limits.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { headerFields, recordFields, type WriteBatch, type WriteResult } from '../store-message.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import { type Durability, openDatabase } from './sqlite-database.ts'
import { createWriteEngine } from './write-engine.ts'

export interface InlineWriter {
  /** @returns null when the batch is for the writer's thread; nothing of it was written. Rejects like `EngineLink.write`. */
  write(batch: WriteBatch): Promise<readonly WriteResult[]> | null
  close(): void
}

interface InlineOptions {
  readonly path: string
  readonly user: UserId
  /** `full`: every batch is synced before it is acknowledged. */
  readonly durability: Durability
  readonly cipher?: CipherChoice
  /** Tells how long a commit took. */
  readonly clock?: Pick<Clock, 'now' | 'monotonicMs'>
}

const syncData = promisify(fdatasync)

/** Opens a second connection to a file that the writer's thread has opened and brought up to date. */
export async function openInlineWriter({ path, user, durability, cipher, clock = systemClock }: InlineOptions): Promise<InlineWriter> {
  const database = openDatabase({ path, readOnly: false, isSecond: true, ...(cipher !== undefined && { cipher }) })
  const commit = await createWriteEngine(database, { user, durability: 'normal', now: clock.now, isWhole: true })
  const log = openSync(`${path}-wal`, 'r')
  let threadUntil = 0
  let commits = 0

  const synced = async (results: readonly WriteResult[]): Promise<readonly WriteResult[]> => {
    try {
      await syncData(log)
    } catch (error) {
      // The records are in the log and may not be on the disk: nobody may rely on them, and nothing is written behind them.
      throw storeFault('store_failed', `The log of ${path} cannot be written to the disk (${String(error)}).`, error)
    }
    return results
  }
  return {
    write(batch) {
      const began = clock.monotonicMs()
      if (began < threadUntil || !isSmall(batch) || ++commits % maxInlineCommits === 0) return null
      try {
        const results = commit({ ...batch, sync: false })
        const took = clock.monotonicMs() - began
        if (took > slowCommitMs) threadUntil = began + took * asidePerSlow
        return durability === 'full' || batch.sync ? synced(results) : Promise.resolve(results)
      } catch (error) {
        const fault = toStoreError(error)
        // The thread also finds the one write that cannot be stored.
        return isLocked(fault.cause) || fault.code === 'bad_input' ? null : Promise.reject(fault)
      }
    },
    close() {
      closeSync(log)
      database.close()
    },
  }
}

function isSmall({ fields, extras, count }: WriteBatch): boolean {
  if (fields.length > count * headerFields + maxInlineRecords * recordFields) return false
  if (extras.some((extra) => (extra.kind === 'projections' ? extra.memory.length > 0 : extra.kind !== 'claim'))) return false
  let chars = 0
  for (const field of fields) if (typeof field === 'string') chars += field.length
  return chars <= maxInlineChars
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY')
}

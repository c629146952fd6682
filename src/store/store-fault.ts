/** Failures of the store: each failure of the database or of a worker becomes one typed error with advice. */
import { type ErrorCode, type Failure, errorMessage } from '../base/index.ts'
import { isOxbowError, OxbowError } from '../base/index.ts'

const hints = {
  store_full: 'Free some space on the disk, then start Oxbow again. Reading still works.',
  store_corrupt: 'Stop Oxbow, copy the internal folder to a safe place and restore a backup. Undamaged parts can still be read.',
  store_failed: 'Look at the disk and at the permissions of the internal folder, then start Oxbow again.',
} as const

type FaultCode = keyof typeof hints

/** An error of the store, with the hint of its code. */
export function storeFault(code: FaultCode, message: string, cause?: unknown): OxbowError {
  return new OxbowError(code, message, { hint: hints[code], ...(cause === undefined ? {} : { cause }) })
}

/** SQLite's result codes that concern one statement's values and not the store. */
const valueCodes = ['SQLITE_CONSTRAINT', 'SQLITE_TOOBIG', 'SQLITE_MISMATCH', 'SQLITE_RANGE']

function faultCode(sqliteCode: string): FaultCode {
  if (sqliteCode.startsWith('SQLITE_FULL')) return 'store_full'
  if (sqliteCode.startsWith('SQLITE_CORRUPT') || sqliteCode.startsWith('SQLITE_NOTADB')) return 'store_corrupt'
  return 'store_failed'
}

const summaries: Readonly<Record<FaultCode, string>> = {
  store_full: 'The disk is full',
  store_corrupt: 'The database is damaged',
  store_failed: 'The database failed',
}

/** @returns the store's error for anything thrown by an engine; `bad_input` when only this write is at fault. */
export function toStoreError(error: unknown): OxbowError {
  if (isOxbowError(error)) return error
  const code = sqliteCodeOf(error)
  const text = errorMessage(error)
  if (code === null || valueCodes.some((start) => code.startsWith(start))) {
    return new OxbowError('bad_input', `This cannot be stored: ${text}.`, {
      hint: 'Correct the record; nothing was written.',
      cause: error,
    })
  }
  const fault = faultCode(code)
  return storeFault(fault, `${summaries[fault]} (${code}: ${text}).`, error)
}

function sqliteCodeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null
  return error.code.startsWith('SQLITE_') ? error.code : null
}

/** @returns whether another connection held the lock for longer than this one waits */
export function isLocked(error: unknown): boolean {
  return sqliteCodeOf(error)?.startsWith('SQLITE_BUSY') === true
}

/** After these the store is read-only: further writes could lose data, or are another node's. */
export function stopsWriting(code: ErrorCode): boolean {
  return code === 'stale_epoch' || code === 'store_full' || code === 'store_corrupt' || code === 'store_failed'
}

/** Errors cross threads as plain values, without their causes. */
export function failureOf(error: OxbowError): Failure {
  return { code: error.code, message: error.message, hint: error.hint }
}

/** @returns the failure of writing a file as an error that names the file; anything else as it is. */
export function fileFault(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : ''
  if (isOxbowError(error) || typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return storeFault(full ? 'store_full' : 'store_failed', `${path} cannot be written (${code}).`, error)
}

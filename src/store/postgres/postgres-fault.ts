/** Classifies failures of Postgres: whose fault it is, whether it may pass by itself, and what a person can do. */
import { headOf, isOxbowError, errorMessage, ownValue, OxbowError, retryDelayMs, systemRandom } from '../../base/index.ts'
import { firstRetryMs, longestRetryMs } from '../limits.ts'

/**
 * `value`: of one statement's values. `conflict`: another transaction was in the way. `away`: no server, or none that may be
 * written, for now. `slow`: timed out. `full`, `setup`, `broken`, `odd`: permanent until a person acts.
 */
type FaultKind = 'value' | 'conflict' | 'away' | 'slow' | 'full' | 'setup' | 'broken' | 'odd'

export interface PostgresFault {
  readonly kind: FaultKind
  readonly error: OxbowError
}

/** SQLSTATE codes and classes (the first two characters); the first match counts. */
const kinds: readonly (readonly [start: string, kind: FaultKind])[] = [
  ['40', 'conflict'],
  ['55P03', 'conflict'],
  ['53100', 'full'],
  ['53', 'away'],
  ['57014', 'slow'],
  ['57', 'away'],
  ['08', 'away'],
  ['25', 'away'],
  ['XX001', 'broken'],
  ['XX002', 'broken'],
  ['28', 'setup'],
  ['3D', 'setup'],
  ['42501', 'setup'],
  ['22', 'value'],
  ['23', 'value'],
  ['54', 'value'],
]

const hints: Readonly<Record<string, string>> = {
  '53300': 'The server has no connection left: raise its max_connections, lower `store.pool`, or end what holds them.',
  '53400': 'The server has a limit for this role: raise it, or lower `store.pool`.',
  '25006': 'The server is read-only (a standby, or a failover is in progress). Writing resumes by itself when the primary answers here.',
  '57P03': 'The server is starting or stopping. Oxbow resumes by itself when it is up.',
}

/** The role of `store.role` is missing, or not granted to who connects. */
const roleHint =
  'Make the role of `store.role` once as an administrator: create role oxbow_guest nologin; grant oxbow_guest to the role of the address.'

const kindHints: Readonly<Record<FaultKind, string>> = {
  value: 'Correct the record; nothing was written.',
  conflict: 'Try again; nothing was written.',
  away: 'Check that the database server is running and can be reached. A running guest resumes by itself when it answers.',
  slow: 'Check what else the database server is doing. A running guest resumes by itself when it answers in time.',
  full: 'Free some space on the disk of the database server. Oxbow then resumes by itself; reading still works.',
  setup: 'Check user, password, database and sslmode of the address, and that the role may create tables: docs/storage.md.',
  broken: 'Stop Oxbow: pages of the database are damaged. Restore a backup with `oxbow restore`.',
  odd: 'Read the log of the database server, and check its tables with `oxbow store verify`.',
}

const summaries: Readonly<Record<FaultKind, string>> = {
  value: 'This cannot be stored',
  conflict: 'Others write to the same rows',
  away: 'The database server cannot be used now',
  slow: 'The database server took too long',
  full: 'The disk of the database server is full',
  setup: 'The database server refuses this address',
  broken: 'The database is damaged',
  odd: 'The database failed',
}

const codes = {
  value: 'bad_input',
  conflict: 'store_failed',
  away: 'store_failed',
  slow: 'store_failed',
  full: 'store_full',
  setup: 'bad_config',
  broken: 'store_corrupt',
  odd: 'store_failed',
} as const

/**
 * @param shown the address without its password
 * @param isLost the connection is gone: then nothing is known of what was under way
 */
export function postgresFault(error: unknown, shown: string, isLost = false): PostgresFault {
  if (isOxbowError(error)) return { kind: isLost ? 'away' : 'value', error }
  const state = stateOf(error)
  const kind = kindOf(error, state, isLost)
  const hint = ownValue(hints, state) ?? (isOfRole(error, state) ? roleHint : undefined) ?? tlsHint(error) ?? kindHints[kind]
  return { kind, error: new OxbowError(codes[kind], `${summaries[kind]} (${shown}: ${wordsOf(error)}).`, { hint, cause: error }) }
}

/** @returns whether a key of the journal is taken already: another writer was faster. */
function isTakenSeq(error: unknown): boolean {
  return stateOf(error) === '23505' && error instanceof Error && 'constraint' in error && error.constraint === 'journal_key'
}

/** @returns whether a table is not there: no guest has had a lease on this server yet. */
export function isNoTable(error: unknown): boolean {
  return stateOf(error) === '42P01'
}

/** @returns the SQLSTATE of the server, or empty: five characters, unlike the names of a system's errors. */
function stateOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && 'severity' in error ? error.code : ''
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : ''
}

function kindOf(error: unknown, state: string, isLost: boolean): FaultKind {
  if (isTakenSeq(error)) return 'conflict'
  if (isOfRole(error, state)) return 'setup'
  const listed = kinds.find(([start]) => state.startsWith(start))?.[1]
  if (listed !== undefined) return listed
  if (state !== '') return 'odd'
  if (isTls(error)) return 'setup'
  return isLost || isOfNetwork(error) ? 'away' : 'value'
}

function isOfRole(error: unknown, state: string): boolean {
  return (
    (state === '22023' || state === '42501') && error instanceof Error && /^(?:role "|permission denied to set role)/.test(error.message)
  )
}

function isTls(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|^ERR_SSL/.test(code) || /does not support SSL/.test(error.message)
}

function tlsHint(error: unknown): string | undefined {
  return isTls(error) ? 'Check `sslmode` and `sslrootcert` of the address, and the certificate of the server.' : undefined
}

function isOfNetwork(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && typeof error.code === 'string' && /^E(?!RR_)[A-Z_]+$/.test(error.code)) return true
  return /[Cc]onnection|timeout|not queryable/.test(error.message)
}

/** The first line of the server's message. It names roles, databases and columns, never a password. */
function wordsOf(error: unknown): string {
  const text = error instanceof AggregateError ? String(error.errors[0]) : errorMessage(error)
  const line = headOf((text.split('\n')[0] ?? '').replace(/^Error: /, ''), maxWordsChars)
  const state = stateOf(error)
  return state === '' ? line : `${state} ${line}`
}

/** A message of the server may quote its input. */
const maxWordsChars = 200

/** Delay before a failure that may pass is tried again. @param attempt 0 for the first retry */
export function retryWaitMs(attempt: number): number {
  return retryDelayMs(attempt, systemRandom, { firstMs: firstRetryMs, maxMs: longestRetryMs })
}

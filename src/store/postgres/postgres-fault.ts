/** What a failure of Postgres means: whose fault it is, whether it may pass by itself, and what a person can do. */
import { isOxbowError, OxbowError } from '../../types/index.ts'

/**
 * `value`: of one statement's values. `conflict`: another transaction was in the way. `away`: no server, or none that may be
 * written, for now. `slow`: given up after its time. `full`, `setup`, `broken`, `odd`: it stays until a person does something.
 */
export type FaultKind = 'value' | 'conflict' | 'away' | 'slow' | 'full' | 'setup' | 'broken' | 'odd'

export interface PostgresFault {
  readonly kind: FaultKind
  readonly error: OxbowError
}

/** SQLSTATE codes and classes (the first two characters); the first that fits. */
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
  '25006': 'The server only reads now (a standby, or a failover is under way). Writing goes on by itself when the primary answers here.',
  '57P03': 'The server is starting or stopping. Oxbow goes on by itself when it is there.',
}

const kindHints: Readonly<Record<FaultKind, string>> = {
  value: 'Mend the record; nothing was written.',
  conflict: 'Try again; nothing was written.',
  away: 'See that the database server runs and can be reached. A guest that runs goes on by itself when it answers; reading and writing wait for it.',
  slow: 'Look at what else the database server does. A guest that runs goes on by itself when it answers in time.',
  full: 'Free some space on the disk of the database server. Oxbow goes on by itself then; reading still works.',
  setup: 'Check user, password, database and sslmode of the address, and that the role may create tables: docs/storage.md.',
  broken: 'Stop Oxbow and have the database looked at: its pages are damaged. Restore a backup with `oxbow store restore`.',
  odd: 'See what the log of the database server says, and that its tables are those of Oxbow: `oxbow store verify`.',
}

const says: Readonly<Record<FaultKind, string>> = {
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
  const hint = hints[state] ?? tlsHint(error) ?? kindHints[kind]
  return { kind, error: new OxbowError(codes[kind], `${says[kind]} (${shown}: ${wordsOf(error)}).`, { hint, cause: error }) }
}

/** @returns whether the failure is that a key of the journal is taken: then another writer was faster. */
function isTakenSeq(error: unknown): boolean {
  return stateOf(error) === '23505' && error instanceof Error && 'constraint' in error && error.constraint === 'journal_key'
}

/** @returns the SQLSTATE of the server, or empty: five characters, unlike the names of a system's errors. */
function stateOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && 'severity' in error ? error.code : ''
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : ''
}

function kindOf(error: unknown, state: string, isLost: boolean): FaultKind {
  if (isTakenSeq(error)) return 'conflict'
  const listed = kinds.find(([start]) => state.startsWith(start))?.[1]
  if (listed !== undefined) return listed
  if (state !== '') return 'odd'
  if (isTls(error)) return 'setup'
  return isLost || isOfNetwork(error) ? 'away' : 'value'
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

/** The first line, in the server's words. They name roles, databases and columns, never a password; values are left out. */
function wordsOf(error: unknown): string {
  const text = error instanceof AggregateError ? String(error.errors[0]) : error instanceof Error ? error.message : String(error)
  const line = (text.split('\n')[0] ?? '').replace(/^Error: /, '').slice(0, maxWordsChars)
  const state = stateOf(error)
  return state === '' ? line : `${state} ${line}`
}

/** A message of the server may quote what it was given. */
const maxWordsChars = 200

/** The statements of a batch. Raw SQL, because they take rows as JSON, which the builder cannot write; every value is a parameter. */
import type { UserId } from '../../base/index.ts'
import type { Tables } from '../sql/template.ts'
import type { Effects, Wanted } from './batch-effects.ts'
import { jsonRows, type Query } from './postgres-session.ts'

/** Queries under the lock, in order; null where nothing is wanted. */
export interface KnownQueries {
  /** Takes the lock of the user's chain until the transaction ends. Row: nothing, the transaction's number, the clock. */
  readonly lock: Query
  readonly head: Query
  readonly lanes: Query | null
  readonly places: Query | null
}

/** Prefix of an advisory lock's key, to avoid collisions. */
const chainLock = 'oxbow.chain:'
/** Held by the guest that has the user's store for itself. */
const guestLock = 'oxbow.guest:'

export const chainLockKey = (user: UserId): string => chainLock + user
export const guestLockKey = (user: UserId): string => guestLock + user

/** Set of texts from a JSON array. */
const texts = (parameter: string): string => `(select json_array_elements_text(${parameter}::json))`

export function knownQueries(user: UserId, { lanes, calls }: Wanted): KnownQueries {
  return {
    lock: {
      name: 'chain_lock',
      text: `select pg_advisory_xact_lock(hashtextextended($1, 0)), pg_current_xact_id()::text, (extract(epoch from clock_timestamp()) * 1000)::bigint`,
      values: [chainLockKey(user)],
    },
    head: { name: 'chain_head', text: 'select "seq", "hash" from "journal" where "user" = $1 order by "seq" desc limit 1', values: [user] },
    lanes:
      lanes.length === 0
        ? null
        : {
            name: 'chain_lanes',
            text: `select "session", "owner", "epoch", "lease_until" from "lane" where "user" = $1 and "session" in ${texts('$2')}`,
            values: [user, jsonRows(lanes)],
          },
    places:
      calls.length === 0
        ? null
        : {
            name: 'chain_places',
            // Each call is looked up by itself, whatever the planner takes the user to have.
            text: `select w.value, t."seq", t."phase" from json_array_elements_text($2::json) w(value) cross join lateral
              (select "seq", "phase" from "journal" where "user" = $1 and "call" = w.value
                and "phase" in ('intent', 'outcome', 'refused', 'reconciled') offset 0) t order by t."seq"`,
            values: [user, jsonRows(calls)],
          },
  }
}

/** Row: whether the guest's lock was free, or is this session's already. */
export function guestLockQuery(user: UserId): Query {
  return { text: 'select pg_try_advisory_lock(hashtextextended($1, 0))', values: [guestLockKey(user)] }
}

type ColumnType = 'text' | 'bigint'
type Columns<Table extends keyof Tables> = Readonly<Record<Exclude<keyof Tables[Table], 'user'>, ColumnType>>

const recordTypes: Columns<'journal'> = {
  seq: 'bigint',
  at: 'bigint',
  actor: 'text',
  session: 'text',
  turn: 'text',
  call: 'text',
  name: 'text',
  phase: 'text',
  body: 'text',
  previous: 'text',
  hash: 'text',
}
const sessionTypes: Columns<'session'> = {
  id: 'text',
  title: 'text',
  created_at: 'bigint',
  active_at: 'bigint',
  turns: 'bigint',
  labels: 'text',
  origins: 'text',
  scratchpad: 'text',
  archived: 'bigint',
  deleted: 'bigint',
  parent: 'text',
  forked: 'bigint',
  summary: 'text',
}
const laneTypes: Columns<'lane'> = { session: 'text', owner: 'text', epoch: 'bigint', lease_until: 'bigint' }
const accountTypes: Columns<'account'> = { scope: 'text', micro_dollars: 'bigint', tokens: 'bigint' }
const useTypes: Columns<'budget_use'> = {
  budget: 'text',
  since: 'bigint',
  micro_dollars: 'bigint',
  tokens: 'bigint',
  calls: 'bigint',
  ms: 'bigint',
}

const documentTypes: Columns<'document'> = { category: 'text', name: 'text', seq: 'bigint', at: 'bigint', body: 'text' }

/** Inserts rows that come as one JSON array; `$1` is the user of all of them. */
function insertRows(table: keyof Tables, types: Readonly<Record<string, ColumnType>>): string {
  const columns = Object.keys(types).map((column) => `"${column}"`)
  const typed = Object.entries(types).map(([column, type]) => `"${column}" ${type}`)
  return `insert into "${table}" as t ("user", ${columns.join(', ')}) select $1, ${columns.join(', ')} from json_to_recordset($2::json) as r(${typed.join(', ')})`
}

/** Inserts rows, or replaces rows with the same key. */
function replaceRows(table: keyof Tables, types: Readonly<Record<string, ColumnType>>, key: string): string {
  const set = Object.keys(types).flatMap((column) => (column === key ? [] : [`"${column}" = excluded."${column}"`]))
  return `${insertRows(table, types)} on conflict ("user", "${key}") do update set ${set.join(', ')}`
}

/** Statements of what changed, in the order in which they must run. */
export function flushQueries(user: UserId, effects: Effects): readonly Query[] {
  const queries: Query[] = []
  const add = (name: string, text: string, rows: readonly object[]): void => {
    if (rows.length > 0) queries.push({ name, text, values: [user, jsonRows(rows)] })
  }
  // A row a statement: bytes as JSON would be twice as long.
  for (const [hash, bytes] of effects.blobs) queries.push({ name: 'put_blob', text: putBlob, values: [user, hash, bytes] })
  add('put_records', putRecords, effects.records)
  if (effects.closed.size > 0) queries.push({ name: 'close_calls', text: closeCalls, values: [user, jsonRows([...effects.closed])] })
  add(
    'open_calls',
    openCalls,
    [...effects.opened].map(([call, seq]) => ({ call, seq })),
  )
  add('put_messages', putMessages, effects.messages)
  add('put_sessions', putSessions, [...effects.sessions.values()])
  add(
    'add_spent',
    addSpent,
    Array.from(effects.spent, ([scope, spend]) => ({ scope, ...spend })),
  )
  add('add_used', addUsed, [...effects.used.values()])
  const documents = [...effects.documents.values()]
  add(
    'put_documents',
    putDocuments,
    documents.filter(({ body }) => body !== null),
  )
  add(
    'drop_documents',
    dropDocuments,
    documents.filter(({ body }) => body === null),
  )
  add('put_lanes', putLanes, [...effects.lanes.values()])
  return queries
}

const putBlob = 'insert into "blob" ("user", "hash", "bytes") values ($1, $2, $3) on conflict ("user", "hash") do nothing'
const putRecords = insertRows('journal', recordTypes)
const closeCalls = `delete from "open_call" where "user" = $1 and "call" in ${texts('$2')}`
const openCalls = `${insertRows('open_call', { call: 'text', seq: 'bigint' })} on conflict ("user", "call") do nothing`
const putMessages = insertRows('message', { session: 'text', seq: 'bigint' })
const putSessions = replaceRows('session', sessionTypes, 'id')
const putDocuments = `${insertRows('document', documentTypes)} on conflict ("user", "category", "name") do update
  set "seq" = excluded."seq", "at" = excluded."at", "body" = excluded."body"`
const dropDocuments = `delete from "document" t using json_to_recordset($2::json) as r("category" text, "name" text)
  where t."user" = $1 and t."category" = r."category" and t."name" = r."name"`
const putLanes = replaceRows('lane', laneTypes, 'session')
const addSpent = `${insertRows('account', accountTypes)} on conflict ("user", "scope") do update
  set "micro_dollars" = t."micro_dollars" + excluded."micro_dollars", "tokens" = t."tokens" + excluded."tokens"`
const later = 'excluded."since" > t."since"'
const sum = (column: string): string =>
  `"${column}" = case when ${later} then excluded."${column}" else t."${column}" + excluded."${column}" end`
const addUsed = `${insertRows('budget_use', useTypes)} on conflict ("user", "budget") do update
  set ${['micro_dollars', 'tokens', 'calls', 'ms'].map(sum).join(', ')}, "since" = excluded."since" where excluded."since" >= t."since"`

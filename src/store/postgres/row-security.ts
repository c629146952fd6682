/**
 * Row-level security. Every table with a column `user` has a policy by which a session sees and changes the rows of one user only: the one
 * that it named when it connected. Postgres does not apply policies to the owner of a table, so a guest works as another role: the one of
 * `store.role`, or the one of its address where that does not own the tables. A statement that forgot its user then finds nothing, and costs
 * no round trip more: both are parameters of the connection.
 *
 * It is a second line behind the statements, which all name the user. It does not hold a program that can run statements of its own: that one can
 * name another user as well.
 */
import { OxbowError } from '../../base/index.ts'
import type { PostgresSession } from './postgres-session.ts'

const policy = 'oxbow_user'
/** Read once a statement, not once a row. */
const isOwn = `"user" = (select current_setting('oxbow.user', true))`
const near = /^memory_near_[0-9a-f]{24}$/

/** Tables of users and of clusters in this schema that the role of the session owns. Row: name, whether it has users, a policy, and rights of $1. */
const tablesQuery = `select c.relname::text, a.attnum is not null,
    c.relrowsecurity and exists (select 1 from pg_policy p where p.polrelid = c.oid and p.polname = '${policy}'),
    has_table_privilege($1, c.oid, 'select') and (c.relname = 'migration' or has_table_privilege($1, c.oid, 'insert'))
  from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attname = 'user' and not a.attisdropped
  where c.relkind = 'r' and c.relnamespace = to_regnamespace(quote_ident(current_schema())) and pg_has_role(current_user, c.relowner, 'usage')
    and (a.attnum is not null or c.relname = 'migration' or c.relname ~ '^(cluster|memory_near)_')
  order by 1`

/**
 * Gives every table its policy and the role its rights, where they lack. Call as the owner of the tables, outside of a transaction.
 * @throws what the driver throws
 */
export async function protectRows(session: PostgresSession, role: string): Promise<void> {
  const lacking = async (): Promise<readonly (readonly [string, boolean])[]> => {
    const rows = await session.rows({ text: tablesQuery, values: [role] })
    return rows.flatMap(([name, hasUser, isProtected, isGranted]) => {
      const isDone = isGranted === true && (isProtected === true || (hasUser === false && !near.test(String(name))))
      return isDone ? [] : [[String(name), hasUser === true] as const]
    })
  }
  if ((await lacking()).length === 0) return
  await session.exec(`begin; select pg_advisory_xact_lock(hashtextextended('oxbow.policies', 0))`)
  try {
    // Of two guests that start, the second finds them made.
    for (const [name, hasUser] of await lacking()) await session.exec(await protectionOf(session, { name, hasUser, role }))
    const [schema] = await session.rows({ text: 'select quote_ident(current_schema())', values: [] })
    await session.exec(`grant usage on schema ${String(schema?.[0])} to "${role}"; commit`)
  } catch (error) {
    if (!session.isLost()) await session.exec('rollback')
    throw error
  }
}

interface Protected {
  readonly name: string
  readonly hasUser: boolean
  readonly role: string
}

async function protectionOf(session: PostgresSession, { name, hasUser, role }: Protected): Promise<string> {
  const table = `"${name.replaceAll('"', '""')}"`
  const all = `grant select, insert, update, delete on ${table} to "${role}"`
  const guarded = (condition: string): string =>
    `alter table ${table} enable row level security; drop policy if exists ${policy} on ${table};
     create policy ${policy} on ${table} using (${condition}); ${all}`
  if (hasUser) return guarded(isOwn)
  if (!near.test(name)) return name === 'migration' ? `grant select on ${table} to "${role}"` : all
  // An index of vectors is of one user and model: its name says so, in a table with users.
  return guarded(`exists (select 1 from memory_near m where m.name = '${name}' and m.${isOwn})`)
}

/** @returns statements as the role of the address runs them, which owns the tables where `store.role` is set; within a transaction */
export function asOwner(statements: string): string {
  return `select set_config('oxbow.role', current_setting('role'), true); set local role none; ${statements};
    select set_config('role', current_setting('oxbow.role'), true)`
}

/** @returns whether policies hold for the session: false for who owns the tables, or may bypass policies */
export async function isHeld(session: PostgresSession): Promise<boolean> {
  const [row] = await session.rows({ text: `select row_security_active('journal')`, values: [] })
  return row?.[0] === true
}

export function notHeld(role: string, shown: string): OxbowError {
  return new OxbowError('bad_config', `The role ${role} of store.role reads the rows of all users on ${shown}.`, {
    hint: `It owns the tables, is a superuser or has BYPASSRLS. Make another one: create role oxbow_guest nologin; grant oxbow_guest to the role of the address.`,
  })
}

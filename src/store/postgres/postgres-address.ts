/**
 * The address of a Postgres: `postgres://user:password@host:port/database?sslmode=verify-full`. What libpq understands in it is
 * understood (also `PGHOST` … and `~/.pgpass` for what it leaves out). Its password is never shown: people see `shown`.
 */
import { OxbowError } from '../../types/index.ts'

export interface PostgresAddress {
  /** For the driver; may hold a password. */
  readonly url: string
  /** For people, logs and errors. */
  readonly shown: string
}

/** Longer is no address. */
const maxAddressChars = 4_096

/** @throws OxbowError `bad_config` that does not repeat the address: it may hold a password. */
export function parseAddress(text: string): PostgresAddress {
  const refuse = (why: string): OxbowError =>
    new OxbowError('bad_config', `The address of the store cannot be used: ${why}.`, {
      hint: 'Write it as postgres://user@host:5432/database, in `store.url` or in the variable that `store.url_env` names.',
    })
  if (text.length > maxAddressChars) throw refuse(`it is longer than ${maxAddressChars} characters`)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('it is no URL (a special character of a password is written as %40, %3A, %2F …)')
  }
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw refuse(`it begins with ${url.protocol}//`)
  const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
  const mode = url.searchParams.get('sslmode')
  if (mode !== null && !modes.includes(mode)) throw refuse(`sslmode is none of ${modes.join(', ')}`)
  const host = url.searchParams.get('host') ?? url.host
  const user = url.username === '' ? '' : `${url.username}@`
  const database = url.pathname === '/' ? '' : url.pathname
  // What `sslmode=require` means is what it means to libpq; the driver's own reading of it is about to change.
  if (mode !== null) url.searchParams.set('uselibpqcompat', 'true')
  return { url: url.href, shown: `postgres://${user}${host}${database}` }
}

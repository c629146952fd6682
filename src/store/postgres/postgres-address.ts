/** The address of a database, as people give it: of one server, or of several that stand in for each other. */
import { OxbowError } from '../../base/index.ts'

export interface PostgresAddress {
  /** The address of each of its servers, for the driver; may hold a password. */
  readonly servers: readonly string[]
  /** For people, logs and errors. */
  readonly shown: string
}

/** Longer texts are not addresses. */
const maxAddressChars = 4_096

/**
 * @param text what libpq understands: `postgres://user:password@host:port/database?sslmode=verify-full`; `PGHOST` … and `~/.pgpass`
 * fill in what it leaves out
 * @throws OxbowError `bad_config` that does not repeat the address: it may hold a password
 */
export function parseAddress(text: string): PostgresAddress {
  const refuse = (why: string): OxbowError =>
    new OxbowError('bad_config', `The address of the store cannot be used: ${why}.`, {
      hint: 'Write it as postgres://user@host:5432/database, in `store.url` or in the variable that `store.url_env` names.',
    })
  if (text.length > maxAddressChars) throw refuse(`it is longer than ${maxAddressChars} characters`)
  let urls: readonly URL[]
  try {
    urls = splitServers(text).map((address) => new URL(address))
  } catch {
    throw refuse('it is not a URL (a special character of a password is written as %40, %3A, %2F …)')
  }
  const url = urls[0]!
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw refuse(`it begins with ${url.protocol}//`)
  const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']
  const mode = url.searchParams.get('sslmode')
  if (mode !== null && !modes.includes(mode)) throw refuse(`sslmode must be one of ${modes.join(', ')}`)
  const wanted = url.searchParams.get('target_session_attrs')
  if (wanted !== null && !['any', 'read-write', 'primary'].includes(wanted))
    throw refuse('target_session_attrs must be read-write, which it is without, too')
  const host = url.searchParams.get('host') ?? urls.map((each) => each.host).join(',')
  const user = url.username === '' ? '' : `${url.username}@`
  const database = url.pathname === '/' ? '' : url.pathname
  for (const { searchParams } of urls) {
    searchParams.delete('target_session_attrs')
    // `sslmode=require` means what it means to libpq; the driver's own reading of it is about to change.
    if (mode !== null) searchParams.set('uselibpqcompat', 'true')
  }
  return { servers: urls.map(({ href }) => href), shown: `postgres://${user}${host}${database}` }
}

/** @returns the address once for each of its servers; as it is where it names one */
function splitServers(address: string): readonly string[] {
  const [, before = '', hosts = '', behind = ''] = /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/is.exec(address) ?? []
  if (!hosts.includes(',')) return [address]
  return hosts.split(',').map((host) => `${before}${host}${behind}`)
}

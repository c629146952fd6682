/** A session as a person names it: by the beginning of its id. */
import type { Store } from '../store/index.ts'
import { isUuid, OxbowError, type SessionId } from '../types/index.ts'

/** Sessions that a beginning is looked up in, the newest; a whole id is not looked up. */
const lookedUp = 10_000
const shownIds = 5

/** @throws OxbowError `not_found`, or `bad_input` when more than one session begins so. */
export async function namedSession(store: Pick<Store, 'sessions'>, named: string): Promise<SessionId> {
  if (isUuid(named)) return named as SessionId
  const beginning = named.trim().toLowerCase()
  const found = beginning === '' ? [] : (await store.sessions(lookedUp)).filter(({ id }) => id.startsWith(beginning))
  const [only] = found
  if (only === undefined)
    throw new OxbowError('not_found', `no session begins with ${JSON.stringify(named)}`, {
      hint: '`oxbow sessions --archived` lists them all.',
    })
  if (found.length === 1) return only.id
  const some = found.slice(0, shownIds).map(({ id }) => id)
  throw new OxbowError('bad_input', `${found.length} sessions begin with ${beginning}: ${some.join(', ')}`, {
    hint: 'Give more characters of the id.',
  })
}

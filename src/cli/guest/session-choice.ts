/** Sessions as people name them: by the first characters of their id. */
import { OxbowError, toError } from '../../types/index.ts'
import type { SessionInfo } from '../../types/index.ts'
import type { GatewayPort } from './gateway-port.ts'
import { maxListedSessions } from '../limits.ts'
import { shortId } from '../view/text-format.ts'

/** Which sessions a list has; absent: those that were not put away. */
export interface Listing {
  readonly archived?: boolean | undefined
  readonly search?: string | undefined
}

/** @throws OxbowError as the call failed */
export async function listSessions(
  gateway: GatewayPort,
  limit: number,
  { archived = false, search = '' }: Listing,
): Promise<readonly SessionInfo[]> {
  if (!archived && search === '') return gateway.listSessions(limit)
  const outcome = await gateway.call('session.list', { limit, archived, search })
  if (outcome.status === 'ok') return outcome.output as readonly SessionInfo[]
  throw toError(outcome.failure)
}

/** @throws OxbowError `not_found`, or `bad_input` when more than one session begins so. */
export async function findSession(gateway: GatewayPort, prefix: string, listing: Listing = {}): Promise<SessionInfo> {
  const sessions = await listSessions(gateway, maxListedSessions, listing)
  const wanted = prefix.trim().toLowerCase()
  const found = sessions.filter((session) => session.id.startsWith(wanted))
  if (found.length === 1 && found[0] !== undefined && wanted !== '') return found[0]
  if (found.length === 0 || wanted === '') {
    const away = listing.archived === true ? '' : ' `oxbow sessions archive ID --undo` brings back one that was put away.'
    throw new OxbowError('not_found', `no session begins with ${JSON.stringify(prefix)}`, {
      hint: `\`oxbow sessions --archived\` lists them all.${away}`,
    })
  }
  const ids = sessions.map((session) => session.id)
  const some = found.slice(0, 5).map((session) => shortId(session.id, ids))
  throw new OxbowError('bad_input', `${found.length} sessions begin with ${prefix}: ${some.join(', ')}`, {
    hint: 'Give more characters of the id.',
  })
}

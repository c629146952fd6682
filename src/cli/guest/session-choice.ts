/** Sessions as people name them: by the first characters of their id. */
import { OxbowError } from '../../types/index.ts'
import type { SessionInfo } from '../../types/index.ts'
import type { GatewayPort } from './gateway-port.ts'
import { maxListedSessions } from '../limits.ts'
import { shortId } from '../view/text-format.ts'

/** @throws OxbowError `not_found`, or `bad_input` when more than one session begins so. */
export async function findSession(gateway: GatewayPort, prefix: string): Promise<SessionInfo> {
  const sessions = await gateway.listSessions(maxListedSessions)
  const wanted = prefix.trim().toLowerCase()
  const found = sessions.filter((session) => session.id.startsWith(wanted))
  if (found.length === 1 && found[0] !== undefined && wanted !== '') return found[0]
  if (found.length === 0 || wanted === '') {
    throw new OxbowError('not_found', `no session begins with ${JSON.stringify(prefix)}`, { hint: '`oxbow sessions` lists them.' })
  }
  const ids = sessions.map((session) => session.id)
  const some = found.slice(0, 5).map((session) => shortId(session.id, ids))
  throw new OxbowError('bad_input', `${found.length} sessions begin with ${prefix}: ${some.join(', ')}`, {
    hint: 'Give more characters of the id.',
  })
}

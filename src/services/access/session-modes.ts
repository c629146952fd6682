/**
 * The mode of a session: how much stricter than the policy it is, whoever sends its messages and by whichever way, until a person changes
 * it. It holds for the agents below the session, too. A stricter mode counts from the next call on.
 */
import { type Documents, stricter } from '../../kernel/index.ts'
import { type Clock, createRecentMap, type RecentMap, type SessionId } from '../../base/index.ts'
import type { ClientTools } from '../../protocol/index.ts'

/** Sessions whose mode is known without reading it. */
const maxHeldModes = 1_000

/** How long a key that was read is used without reading it again. */
const heldKeyMs = 1_000

export const modeCategory = 'system/session_modes'
export const modeNames = ['configured', 'ask', 'read_only'] as const
type Mode = (typeof modeNames)[number]
type Caution = ClientTools['caution']

export interface StoredMode {
  readonly mode: Mode
}

interface SessionModes {
  /** @returns how strict the session is; undefined: as configured */
  of(session: SessionId | ''): Promise<Caution>
}

interface ModeDeps {
  readonly documents: Pick<Documents, 'get' | 'watch'>
  readonly clock: Pick<Clock, 'now'>
  /** The session that an agent's session serves; any other is its own. */
  readonly topOf: (session: SessionId) => SessionId
}

export function createSessionModes({ documents, clock, topOf }: ModeDeps): SessionModes {
  const held: RecentMap<SessionId, { readonly caution: Caution; readonly until: number }> = createRecentMap(maxHeldModes)
  documents.watch(modeCategory, (name) => held.delete(name as SessionId))
  const read = async (session: SessionId): Promise<Caution> => {
    const known = held.get(session)
    if (known !== undefined && clock.now() < known.until) return known.caution
    const caution = cautionOf((await documents.get<StoredMode>(modeCategory, session))?.value)
    held.put(session, { caution, until: clock.now() + heldKeyMs })
    return caution
  }
  return {
    async of(session) {
      if (session === '') return undefined
      const top = topOf(session)
      return stricter(await read(session), top === session ? undefined : await read(top))
    },
  }
}

/** A session that continues from another one begins as strict as that. */
export async function copyMode(
  documents: Pick<Documents, 'get' | 'put'>,
  of: Parameters<Documents['put']>[0],
  { from, to }: { readonly from: SessionId; readonly to: SessionId },
): Promise<void> {
  const stored = await documents.get<StoredMode>(modeCategory, from)
  if (stored !== null) await documents.put(of, [{ category: modeCategory, name: to, value: stored.value }], { sync: true })
}

function cautionOf(stored: StoredMode | undefined): Caution {
  return stored === undefined || stored.mode === 'configured' ? undefined : stored.mode
}

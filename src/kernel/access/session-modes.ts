/**
 * The mode of a session: how much stricter than the policy it is, whoever sends its messages and by whichever way, until a person changes
 * it. It holds for the agents below the session, too. A stricter mode counts from the next call on.
 */
import { z } from 'zod'
import { type Call, type Caller, type ClientTools, type Clock, createRecentMap, type RecentMap, type SessionId } from '../../types/index.ts'
import { heldKeyMs, maxHeldModes } from '../limits.ts'
import type { Documents } from '../state/documents.ts'

const modeCategory = 'system/session_modes'
const modeNames = ['configured', 'ask', 'read_only'] as const
type Mode = (typeof modeNames)[number]
type Caution = ClientTools['caution']

interface StoredMode {
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

function createSessionModes({ documents, clock, topOf }: ModeDeps): SessionModes {
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

/** @returns how strict a turn is beside the policy: as its message and its session say */
export function cautionBy(
  deps: ModeDeps,
  turns: { readonly cautionOf: (turn: Caller['turn']) => Caution },
): (caller: Pick<Caller, 'session' | 'turn'>) => Promise<Caution> {
  const modes = createSessionModes(deps)
  return async ({ session, turn }) => stricter(turns.cautionOf(turn), await modes.of(session))
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

/** @returns the stricter of two */
function stricter(a: Caution, b: Caution): Caution {
  return a === 'read_only' || b === 'read_only' ? 'read_only' : (a ?? b)
}

const session = z.string().min(1).max(100).describe('Id of the session.') as unknown as z.ZodType<SessionId>
const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
  output: z.object({ mode: z.enum(modeNames) }),
} as const satisfies Partial<Call>
const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function modeCalls(documents: Documents, sessions: { load(session: SessionId): Promise<unknown> }): readonly Call[] {
  const show: Call<{ session: SessionId }, StoredMode> = {
    ...shared,
    name: 'session.mode',
    summary: 'Shows how strict a session is: as configured, asking before each change, or read-only.',
    input: z.strictObject({ session }),
    example: { session: example },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    async run({ session: id }) {
      await sessions.load(id)
      return { output: { mode: (await documents.get<StoredMode>(modeCategory, id))?.value.mode ?? 'configured' } }
    },
  }
  const set: Call<{ session: SessionId; mode: Mode }, StoredMode> = {
    ...shared,
    name: 'session.set_mode',
    summary: 'Makes a session stricter than the configuration, for everybody who uses it, or as strict as that again.',
    input: z.strictObject({
      session,
      mode: z.enum(modeNames).describe('configured: as the policy says; ask: whatever changes something asks; read_only: it is refused.'),
    }),
    example: { session: example, mode: 'read_only' },
    tier: 'side_effecting',
    // It decides what asks.
    right: 'call.decide',
    effect: 'idempotent',
    async run({ session: id, mode }, { caller, id: call }) {
      await sessions.load(id)
      const value = mode === 'configured' ? null : { mode }
      await documents.put({ caller, call, name: 'session.set_mode' }, [{ category: modeCategory, name: id, value }], { sync: true })
      return { output: { mode } }
    },
  }
  return [show, set]
}

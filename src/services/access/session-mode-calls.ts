/** The calls that show and set the mode of a session; see `session-modes.ts`. */
import { z } from 'zod'
import type { Documents } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import { type Call, defineCall, modeCall } from '../../protocol/index.ts'
import { modeCategory, modeNames, type StoredMode } from './session-modes.ts'

const session = z.string().min(1).max(100).describe('Id of the session.') as unknown as z.ZodType<SessionId>
const shared = {
  audience: ['terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
  output: z.object({ mode: z.enum(modeNames) }),
} as const satisfies Partial<Call>
const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function modeCalls(documents: Documents, sessions: { load(session: SessionId): Promise<unknown> }): readonly Call[] {
  const show = defineCall({
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
  })
  const set = defineCall({
    ...shared,
    name: modeCall,
    event: () => ({ kind: 'session_mode', fields: {} }),
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
      await documents.put({ caller, call, name: modeCall }, [{ category: modeCategory, name: id, value }], { sync: true })
      return { output: { mode } }
    },
  })
  return [show, set]
}

/** How the scratchpad of a session is put back when the turn that wrote or cleared it is undone. */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Core, UndoChange, UndoPart, UndoRecord } from '../../kernel/index.ts'
import { type CallId, derivedId, type Json, type SessionId } from '../../base/index.ts'
import { clearNotesCall, isErased, writeNotesCall } from '../../protocol/index.ts'

/** Under this name a record says what the scratchpad was before: of the call's session, or of those that an undo names. */
export const padBefore = 'scratchpad_before'

const items = z.array(z.string())
const before = z.strictObject({ session: z.string(), items, left: items.optional() })

/** What was done to one scratchpad. */
interface Done {
  readonly to: readonly string[]
  readonly calls: CallId[]
  left: readonly string[]
}

export function undoScratchpad({ scratchpads, clock, user }: Pick<Core, 'scratchpads' | 'clock' | 'user'>): UndoPart {
  const planOf = async (session: SessionId, { to, left, calls }: Done): Promise<UndoChange | null> => {
    const { items: now } = await scratchpads.read(session)
    const change = to.length === 0 ? 'deleted' : now.length === 0 ? 'added' : 'changed'
    const facts = { path: '/scratchpad', change, calls, now: now.join('\n'), restored: to.join('\n') } as const
    if (isDeepStrictEqual(now, to)) return { ...facts, entries: [] }
    const isTheirs = !isDeepStrictEqual(now, left)
    const call = derivedId('undone scratchpad', session, clock.now()) as CallId
    const of = {
      caller: { actor: `user:${user}`, session, turn: '' },
      call,
      name: to.length === 0 ? clearNotesCall : writeNotesCall,
    } as const
    const input = (to.length === 0 ? {} : { items: [...to] }) as Json
    return {
      ...facts,
      ...(isTheirs && { conflict: { why: 'a later turn has written it', final: false } }),
      entries: [
        { ...of, phase: 'intent', body: { input, effect: 'idempotent' } },
        { ...of, phase: 'outcome', body: { status: 'ok', items: [...to], updated_at: clock.now() }, projection: 'scratchpad' },
      ],
      before: { [padBefore]: { session, items: [...now], left: [...to] } },
    }
  }
  return {
    noted: [padBefore],
    async plan(records) {
      const planned = await Promise.all([...doneBy(records)].map(([session, done]) => planOf(session, done)))
      return planned.filter((one) => one !== null)
    },
  }
}

function doneBy(records: readonly UndoRecord[]): ReadonlyMap<SessionId, Done> {
  const found = new Map<SessionId, Done>()
  for (const { phase, name, body, call, session } of records) {
    if (isErased(body)) continue
    for (const said of [body[padBefore] ?? []].flat()) {
      const { data } = before.safeParse(said)
      if (data === undefined) continue
      const of = data.session as SessionId
      const known = found.get(of) ?? { to: data.items, calls: [], left: data.left ?? [] }
      if (!known.calls.includes(call)) known.calls.push(call)
      if (data.left !== undefined) known.left = data.left
      found.set(of, known)
    }
    const known = session === '' ? undefined : found.get(session)
    const isChange = (name === writeNotesCall || name === clearNotesCall) && phase === 'outcome' && body['status'] === 'ok'
    if (isChange && known !== undefined) known.left = items.safeParse(body['items']).data ?? []
  }
  return found
}

/** `session.replay`: runs a session again from its records. */
import { z } from 'zod'
import { sessionId } from '../../kernel/index.ts'
import type { SessionId } from '../../base/index.ts'
import { type Call, defineCall } from '../../protocol/index.ts'
import { replayTimeoutMs } from './limits.ts'
import { type ReplayDeps, replaySession } from './replay-session.ts'

const example = '01890a5d-ac96-774b-bcce-b302099a8057'

const replayed = z.strictObject({
  session: z.string(),
  turns: z.int().describe('Turns that were run again.'),
  steps: z.int().describe('Requests to the model in them.'),
  calls: z.int().describe('Calls of tools, answered with what was recorded.'),
  compared: z.int().describe('Requests that were compared word for word; of the others only counts are recorded (model.recording).'),
  ms: z.number(),
  divergence: z
    .strictObject({
      turn: z.int(),
      step: z.int(),
      what: z.enum(['request', 'call', 'answer', 'end']),
      where: z.string(),
      was: z.string().describe('What was asked was, from a little before the difference on.'),
      now: z.string().describe('What is asked now.'),
    })
    .nullable()
    .describe('The first; null: everything is as it was.'),
})

export function replayCalls(deps: ReplayDeps): readonly Call[] {
  return [replayCall(deps)]
}

function replayCall(deps: ReplayDeps): Call {
  return defineCall({
    name: 'session.replay',
    rare: true,
    routes: [{ method: 'POST', path: '/sessions/{session}/replay' }],
    summary: 'Runs a session again offline, from what was recorded, and names the first thing that is asked for otherwise.',
    input: z.strictObject({
      session: sessionId.describe('Id of the session.'),
      turn: z.int().min(1).optional().describe('Only the turn of this message, counted from the first one. Default: all turns.'),
      step: z.int().min(1).optional().describe('Only up to this request to the model of the turn.'),
    }),
    output: replayed,
    example: { session: example as SessionId, turn: 2 },
    tier: 'read_only',
    right: 'audit.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: replayTimeoutMs,
    recordOutput: ({ turns, steps, divergence }) => ({
      turns,
      steps,
      diverged: divergence === null ? null : { turn: divergence.turn, step: divergence.step, what: divergence.what },
    }),
    async run({ session, turn, step }, { signal }) {
      const found = await replaySession(deps, session, { turn: turn ?? null, step: step ?? null }, signal)
      return { output: { session, ...found } }
    },
  })
}

/** `memory.recall`: what the runtime asks before a turn. Its outcome is part of the conversation, so that it is the same when read back. */
import { z } from 'zod'
import type { Memory } from '../../memory/index.ts'
import type { Call, CallId, SessionId } from '../../types/index.ts'
import { looking } from './call-facts.ts'
import { recallTimeoutMs } from './memory-limits.ts'

interface RecallInput {
  text: string
  /** Oldest message of a person that the model sees; empty: it sees all of the session. */
  oldest: string
}

interface RecallOutput {
  ids: readonly string[]
}

export function recallCall(memory: Memory): Call<RecallInput, RecallOutput> {
  return {
    ...looking,
    name: 'memory.recall',
    summary: 'Recalls what fits the newest message, before a turn.',
    timeoutMs: recallTimeoutMs,
    input: z.strictObject({ text: z.string(), oldest: z.string() }),
    output: z.strictObject({ ids: z.array(z.string()) }),
    example: { text: 'Which editor do I use?', oldest: '' },
    audience: ['runtime'],
    // The message is on record as what was sent.
    recordInput: ({ oldest }) => ({ oldest }),
    recordOutput: ({ ids }) => ({ ids }),
    async run({ text, oldest }, { caller }) {
      const found = await memory.recallForTurn({ session: caller.session as SessionId, text, oldest: oldest as CallId | '' })
      return { output: { ids: found.ids }, text: found.text, labels: found.labels }
    },
  }
}

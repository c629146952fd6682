/**
 * The question of a hook about a step that is no call of a model: a call of its own, which always waits for a person, is recorded, and
 * shown in every terminal.
 */
import { z } from 'zod'
import { processRight } from '../../../kernel/index.ts'
import type { Failure } from '../../../base/index.ts'
import { type Call, type CallOutcome, defineCall } from '../../../protocol/index.ts'
import type { HookDemand } from './run-hooks.ts'

type HookAskInput = z.infer<typeof hookAskInput>

const hookAskName = 'hook.ask'

const hookAskInput = z.strictObject({ plugin: z.string(), what: z.string(), reason: z.string(), shown: z.string() })

export function hookAskCall(): Call {
  return defineCall({
    name: hookAskName,
    summary: 'Asks the person, for a hook of a plugin.',
    input: hookAskInput,
    output: z.strictObject({}),
    example: { plugin: 'guard', what: 'the message', reason: 'it names a customer', shown: 'Write to Ada.' },
    tier: 'read_only',
    right: processRight,
    asks: ({ plugin, what, reason }) => `the plugin ${plugin} wants your approval of ${what}${reason === '' ? '' : `: ${reason}`}`,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    run: async () => ({ output: {}, text: '' }),
  })
}

/** Makes the call that asks. @param plugin that demands it */
type MakeAsk = (name: string, input: HookAskInput, plugin: string) => Promise<CallOutcome>

/** Asks a person, once for each plugin that demands it. @returns why it must not go on; null: it may */
export async function askPerson(make: MakeAsk, asks: readonly HookDemand[], what: string, shown: string): Promise<Failure | null> {
  for (const { plugin, reason } of asks) {
    const outcome = await make(hookAskName, { plugin, what, reason, shown: shown.slice(0, maxShown).toWellFormed() }, plugin)
    if (outcome.status !== 'ok') return outcome.failure
  }
  return null
}

/** Characters of what it is about that a person is shown. */
const maxShown = 2_000

/** Calls to read, replace and clear the scratchpad: the notes that an agent keeps for itself, one list per session. */
import { z } from 'zod'
import { type Core } from '../../kernel/index.ts'
import { OxbowError, type SessionId } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, evident, writeNotesCall, clearNotesCall } from '../../protocol/index.ts'
import { padBefore } from './undo-scratchpad.ts'

/** Notes in a scratchpad: enough for a plan and its state, short enough to be part of every turn. */
const maxScratchpadItems = 32

const maxScratchpadCharacters = 240

const maxScratchpadBytes: number = 8 * 1024

type ScratchpadCallDeps = Pick<Core, 'scratchpads'>

const output = z.strictObject({
  session_id: z.string(),
  items: z.array(z.string()).readonly(),
  updated_at: z.int().nullable(),
  item_count: z.int(),
})

type PadOutput = z.infer<typeof output>

const shared = {
  output,
  right: 'scratchpad.use',
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: 10_000,
} as const satisfies Partial<Call>

/** The recorded outcome is the state of the scratchpad: it is read back from there. */
const recordOutput = ({ items, updated_at }: PadOutput) => ({ items, updated_at })

export function scratchpadCalls({ scratchpads }: ScratchpadCallDeps): readonly Call[] {
  const read = defineCall({
    ...shared,
    name: 'scratchpad.read',
    summary: 'Reads your notes for this session.',
    input: z.strictObject({}),
    example: {},
    tier: 'read_only',
    effect: 'none',
    async run(_, context) {
      const session = sessionOf(context)
      const { items, updated_at } = await scratchpads.read(session)
      const text = items.length === 0 ? 'The scratchpad is empty.' : items.map((item, i) => `${i + 1}. ${item}`).join('\n')
      return { output: { session_id: session, items, updated_at, item_count: items.length }, text }
    },
  })
  const write = defineCall({
    ...shared,
    name: writeNotesCall,
    does: ['overwrite'],
    summary: 'Replaces your notes for this session, which you see in every turn.',
    input: z.strictObject({
      items: z
        .array(z.string().min(1).max(maxScratchpadCharacters))
        .min(1)
        .max(maxScratchpadItems)
        .refine(
          (items) => Buffer.byteLength(items.join('')) <= maxScratchpadBytes,
          `must have at most ${maxScratchpadBytes} bytes in total`,
        )
        .meta(evident('The complete list, including notes to keep: plan, state, findings.')),
    }),
    example: { items: ['Goal: report on oxen', 'Done: read sources 1 and 2', 'Next: draft in /shared/report.md'] },
    tier: 'side_effecting',
    effect: 'idempotent',
    projection: 'scratchpad',
    recordOutput,
    async run({ items }, context) {
      await keepBefore(scratchpads, context)
      return { output: changed(context, items), text: `The scratchpad holds ${items.length === 1 ? '1 item' : `${items.length} items`}.` }
    },
  })
  const clear = defineCall({
    ...shared,
    name: clearNotesCall,
    does: ['delete'],
    summary: 'Removes your notes for this session.',
    input: z.strictObject({}),
    example: {},
    tier: 'side_effecting',
    effect: 'idempotent',
    projection: 'scratchpad',
    recordOutput,
    async run(_, context) {
      await keepBefore(scratchpads, context)
      return { output: changed(context, []), text: 'The scratchpad is empty.' }
    },
  })
  return [read, write, clear]
}

/** By this an undo of the turn puts it back. */
async function keepBefore(scratchpads: ScratchpadCallDeps['scratchpads'], context: CallContext): Promise<void> {
  const session = sessionOf(context)
  const { items } = await scratchpads.read(session)
  if (context.caller.turn !== '') context.record({ [padBefore]: { session, items: [...items] } })
}

function changed(context: CallContext, items: readonly string[]): PadOutput {
  return { session_id: sessionOf(context), items, updated_at: context.clock.now(), item_count: items.length }
}

function sessionOf({ caller }: CallContext): SessionId {
  if (caller.session !== '') return caller.session
  throw new OxbowError('bad_input', 'A scratchpad belongs to a session.', { hint: 'Name a session in the call.' })
}

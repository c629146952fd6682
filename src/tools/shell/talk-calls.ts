/** Calls that write to sessions and read the output of sessions and jobs. */
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type CallContext, defineCall, evident } from '../../protocol/index.ts'
import {
  defaultQuietMs,
  defaultWriteWaitSeconds,
  maxInputCharacters,
  maxKeys,
  maxSessionPageBytes,
  maxWaitSeconds,
  readQuietMs,
  sessionGraceMs,
  sessionPageBytes,
} from '../limits.ts'
import { inShell } from './exec-call.ts'
import {
  askSession,
  idArgument,
  isFine,
  isOnline,
  keyNames,
  outputFacts,
  outputSchema,
  outputText,
  quietArgument,
  readBothEnds,
  sessionCall,
  waitField,
} from './session-arguments.ts'
import type { OutputFacts } from './session-arguments.ts'

export type WriteInput = z.infer<typeof writeInput>

export const writeArguments = {
  id: idArgument,
  text: z.string().max(maxInputCharacters).default('').meta(evident('Text to type: commands, or input for the running program.')),
  enter: z.boolean().default(true).meta(evident('Press Enter after the text. Without text only the keys are pressed.')),
  keys: z.array(z.enum(keyNames)).max(maxKeys).default([]).describe('After the text: enter, escape, up, page_down, ctrl_c …'),
  wait_s: waitField(defaultWriteWaitSeconds),
  quiet_ms: quietArgument
    .default(defaultQuietMs)
    .meta(evident('Milliseconds without output after which a program other than a shell is assumed to wait for input.')),
}

const writeInput = z.strictObject(writeArguments)

export const sessionWrite = defineCall({
  ...sessionCall,
  name: 'shell.session_write',
  rare: true,
  summary: 'Types text and Enter into a session, waits until it is ready for more input or quiet, and returns the new output.',
  input: writeInput,
  output: outputSchema,
  example: { id: 'shell-1-k3f9x2', text: 'cd src && npm test', enter: true, keys: [], wait_s: 60, quiet_ms: 10_000 },
  tier: 'privileged',
  effect: 'once',
  timeoutMs: maxWaitSeconds * 1000 + 2 * sessionGraceMs,
  starts: ({ text }) => inShell({ command: text, cwd: '' }),
  async run(input, context) {
    if (!isOnline(input.id)) return typeInto(input, context)
    throw new OxbowError('bad_input', `${input.id} has network: text typed there may leave the machine.`, {
      hint: 'Use shell_online_write.',
    })
  },
})

/** Types, waits as requested, and returns the new output. */
export async function typeInto(
  { id, text, enter, keys, wait_s, quiet_ms }: WriteInput,
  context: CallContext,
): Promise<{ output: OutputFacts; text: string; ok: boolean }> {
  const typed = enter && text !== '' && !text.endsWith('\n') ? `${text}\n` : text
  const { total } = await askSession(context, 'sessionWrite', { id, text: typed, keys })
  const wait = { id, from: total, waitMs: wait_s * 1000, quietMs: quiet_ms }
  const read = await readBothEnds(context, wait, maxSessionPageBytes)
  const output = outputFacts(read)
  return { output, text: outputText(id, read), ok: isFine(output) }
}

export const sessionRead = defineCall({
  ...sessionCall,
  name: 'shell.session_read',
  summary: 'Reads the output of a session or job.',
  input: z.strictObject({
    id: idArgument,
    from: z.int().nonnegative().optional().describe('`next` of an earlier answer; absent: the newest output.'),
    max_bytes: z.int().min(16).max(maxSessionPageBytes).default(sessionPageBytes).meta(evident('Maximum number of bytes.')),
    wait_s: waitField(0),
    raw: z.boolean().default(false).meta(evident('Keep terminal control sequences.')),
  }),
  output: outputSchema,
  example: { id: 'job-2-k3f9x2', from: 0, max_bytes: 4_096, wait_s: 30, raw: false },
  tier: 'read_only',
  effect: 'none',
  timeoutMs: maxWaitSeconds * 1000 + sessionGraceMs,
  async run({ id, from, max_bytes: maxBytes, wait_s, raw }, context) {
    const waitMs = wait_s * 1000
    const page = { id, from: from ?? -maxBytes, maxBytes, waitMs, quietMs: readQuietMs, until: 'output', plain: !raw } as const
    const read = await askSession(context, 'sessionRead', page, waitMs)
    const output = outputFacts(read)
    return { output, text: outputText(id, read), ok: isFine(output) }
  },
})

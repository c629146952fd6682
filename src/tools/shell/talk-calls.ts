/** Calls that write to sessions and read the output of sessions and jobs. */
import { z } from 'zod'
import { type Call, type CallContext, OxbowError, type SessionKey } from '../../types/index.ts'
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
  waitArgument,
} from './session-arguments.ts'
import type { OutputFacts } from './session-arguments.ts'

export interface WriteInput {
  id: string
  text: string
  enter: boolean
  keys: SessionKey[]
  wait_s: number
  quiet_ms: number
}

export const writeArguments: { readonly [Key in keyof WriteInput]: z.ZodType<WriteInput[Key]> } = {
  id: idArgument,
  text: z.string().max(maxInputCharacters).default('').describe('Text to type: commands, or input for the running program.'),
  enter: z.boolean().default(true).describe('Press Enter after the text. Without text only the keys are pressed.'),
  keys: z
    .array(z.enum(keyNames))
    .max(maxKeys)
    .default([])
    .describe('Keys to press after the text. Without a terminal only enter, tab, ctrl_c, ctrl_d and ctrl_backslash have an effect.'),
  wait_s: waitArgument.default(defaultWriteWaitSeconds).describe('Maximum seconds to wait; the command continues after that.'),
  quiet_ms: quietArgument
    .default(defaultQuietMs)
    .describe('Milliseconds without output after which a program other than a shell is assumed to wait for input.'),
}

export const sessionWrite: Call<WriteInput, OutputFacts> = {
  ...sessionCall,
  name: 'shell.session_write',
  summary: 'Types into a shell session, waits until it is ready for more input or quiet, and returns the new output.',
  input: z.strictObject(writeArguments),
  output: outputSchema,
  example: { id: 'shell-1-k3f9x2', text: 'cd src && npm test', enter: true, keys: [], wait_s: 60, quiet_ms: 10_000 },
  tier: 'privileged',
  effect: 'once',
  timeoutMs: maxWaitSeconds * 1000 + 2 * sessionGraceMs,
  async run(input, context) {
    if (!isOnline(input.id)) return typeInto(input, context)
    throw new OxbowError('bad_input', `${input.id} has network: text typed there may leave the machine.`, {
      hint: 'Use shell_online_write.',
    })
  },
}

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

interface ReadInput {
  id: string
  from?: number | undefined
  max_bytes: number
  wait_s: number
  raw: boolean
}

export const sessionRead: Call<ReadInput, OutputFacts> = {
  ...sessionCall,
  name: 'shell.session_read',
  summary: 'Reads the output of a shell session or background job; can wait for more output or for its end.',
  input: z.strictObject({
    id: idArgument,
    from: z.int().nonnegative().optional().describe('Byte to start at: the `next` of an earlier answer. Absent: the newest output.'),
    max_bytes: z.int().min(16).max(maxSessionPageBytes).default(sessionPageBytes).describe('Maximum number of bytes.'),
    wait_s: waitArgument.default(0).describe('Seconds to wait for output after `from`, or for the end of the session or job.'),
    raw: z.boolean().default(false).describe('Keep terminal control sequences.'),
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
}

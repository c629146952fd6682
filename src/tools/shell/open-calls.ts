/** Calls that start shell sessions and background commands. */
import { z } from 'zod'
import { type CallContext, defineCall, evident } from '../../protocol/index.ts'
import {
  commandGraceMs,
  defaultColumns,
  defaultJobWaitSeconds,
  defaultRows,
  maxCommandCharacters,
  maxSessionPageBytes,
  maxWaitSeconds,
  minQuietMs,
  sessionGraceMs,
} from '../limits.ts'
import { inShell } from './exec-call.ts'
import { pathArgument, toWorkspacePath } from '../workspace-arguments.ts'
import {
  askSession,
  cellsArgument,
  closedLater,
  isFine,
  outputFacts,
  outputShape,
  outputText,
  readBothEnds,
  sessionCall,
  waitField,
} from './session-arguments.ts'

export type OpenInput = z.infer<typeof openInput>
export type OpenOutput = z.infer<typeof openOutput>

const cwdArgument = pathArgument.default('/shared').meta(evident('Folder to start in. Relative paths start at /shared.'))

export const openArguments = {
  cwd: cwdArgument,
  terminal: z.boolean().default(false).describe('For programs that need a terminal, e.g. editors. Pipes give cleaner output.'),
  columns: cellsArgument.default(defaultColumns).meta(evident('Width of the terminal.')),
  rows: cellsArgument.default(defaultRows).meta(evident('Height of the terminal.')),
}
export const openOutput = z.strictObject({ id: z.string(), terminal: z.boolean() })

const openInput = z.strictObject(openArguments)

export const sessionOpen = defineCall({
  ...sessionCall,
  name: 'shell.session_open',
  rare: true,
  summary: 'Opens a shell that keeps its folder, variables and running programs between inputs.',
  input: openInput,
  output: openOutput,
  example: { cwd: '/shared', terminal: true, columns: 120, rows: 30 },
  tier: 'privileged',
  effect: 'once',
  ...closedLater,
  timeoutMs: commandGraceMs + sessionGraceMs,
  starts: ({ cwd }) => inShell({ command: '', cwd }),
  async run({ cwd, terminal, columns, rows }, context) {
    const size = terminal ? { columns, rows } : null
    const output = await askSession(context, 'sessionOpen', { kind: 'shell', command: '', cwd: toWorkspacePath(cwd), terminal: size })
    return { output, text: openedText(output, { terminal, columns, rows }, 'shell.session_write') }
  },
})

/** @param writer the call that writes to the session */
export function openedText(output: OpenOutput, { terminal, columns, rows }: Omit<OpenInput, 'cwd'>, writer: string): string {
  const missing = terminal && !output.terminal ? ' No terminal is available here: it uses plain pipes instead.' : ''
  const what = output.terminal ? `with a terminal of ${columns} columns and ${rows} rows` : 'with plain pipes'
  return `Opened ${output.id} ${what}; send input with ${writer}.${missing}`
}

export type BackgroundOutput = z.infer<typeof backgroundOutput>

export const backgroundArguments = {
  command: z
    .string()
    .min(1)
    .max(maxCommandCharacters)
    .meta(evident('Command line for bash. It gets no input; use a session for programs that need it.')),
  cwd: cwdArgument,
  wait_s: waitField(defaultJobWaitSeconds),
}
export const backgroundOutput = z.strictObject({ id: z.string(), ...outputShape })

const backgroundInput = z.strictObject(backgroundArguments)

export const shellBackground = defineCall({
  ...sessionCall,
  name: 'shell.background',
  summary: 'Starts a background command, without network; shell_session_read reads its output.',
  input: backgroundInput,
  output: backgroundOutput,
  example: { command: 'make -j2 all', cwd: '/shared', wait_s: 1 },
  tier: 'privileged',
  effect: 'once',
  ...closedLater,
  timeoutMs: maxWaitSeconds * 1000 + commandGraceMs + sessionGraceMs,
  starts: inShell,
  async run({ command, cwd, wait_s }, context) {
    const { id } = await askSession(context, 'sessionOpen', { kind: 'job', command, cwd: toWorkspacePath(cwd), terminal: null })
    return beginningOf(id, wait_s, context)
  },
})

/** The output of a job after this many seconds, or at its end. */
export async function beginningOf(
  id: string,
  waitSeconds: number,
  context: CallContext,
): Promise<{ output: BackgroundOutput; text: string; ok: boolean }> {
  const waitMs = waitSeconds * 1000
  const read = await readBothEnds(context, { id, from: 0, waitMs, quietMs: Math.max(minQuietMs, waitMs) }, maxSessionPageBytes)
  const facts = outputFacts(read)
  return { output: { id, ...facts }, text: outputText(id, read), ok: isFine(facts) }
}

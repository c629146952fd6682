/** Starts what goes on after the call: shells to talk to, and commands in the background. */
import { z } from 'zod'
import type { Call, CallContext, SessionEntry, SessionOps, SessionSignal } from '../../types/index.ts'
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
import { pathArgument, plural, toWorkspacePath } from '../workspace-arguments.ts'
import type { OnlineSessions } from './online-sessions.ts'
import {
  askSession,
  cellsArgument,
  describeState,
  idArgument,
  isFine,
  outputFacts,
  type OutputFacts,
  outputShape,
  outputText,
  readBothEnds,
  sessionCall,
  waitArgument,
} from './session-arguments.ts'

export interface OpenInput {
  cwd: string
  terminal: boolean
  columns: number
  rows: number
}
export interface OpenOutput {
  id: string
  terminal: boolean
}

const cwdArgument = pathArgument.default('/shared').describe('Folder to start in. Relative paths start at /shared.')

export const openArguments: { readonly [Key in keyof OpenInput]: z.ZodType<OpenInput[Key]> } = {
  cwd: cwdArgument,
  terminal: z
    .boolean()
    .default(false)
    .describe('True for what needs a terminal: editors, password prompts, job control. Plain pipes give cleaner output.'),
  columns: cellsArgument.default(defaultColumns).describe('Width of the terminal.'),
  rows: cellsArgument.default(defaultRows).describe('Height of the terminal.'),
}
export const openOutput: z.ZodType<OpenOutput> = z.strictObject({ id: z.string(), terminal: z.boolean() })

export const sessionOpen: Call<OpenInput, OpenOutput> = {
  ...sessionCall,
  name: 'shell.session_open',
  summary: 'Opens a shell that keeps its folder, variables and running programs from one input to the next.',
  input: z.strictObject(openArguments),
  output: openOutput,
  example: { cwd: '/shared', terminal: true, columns: 120, rows: 30 },
  tier: 'privileged',
  effect: 'once',
  timeoutMs: commandGraceMs + sessionGraceMs,
  async run({ cwd, terminal, columns, rows }, context) {
    const size = terminal ? { columns, rows } : null
    const output = await askSession(context, 'sessionOpen', { kind: 'shell', command: '', cwd: toWorkspacePath(cwd), terminal: size })
    return { output, text: openedText(output, { terminal, columns, rows }, 'shell.session_write') }
  },
}

/** @param writer the call by which it is written to */
export function openedText(output: OpenOutput, { terminal, columns, rows }: Omit<OpenInput, 'cwd'>, writer: string): string {
  const missing = terminal && !output.terminal ? ' No terminal can be made here: it has plain pipes instead.' : ''
  const what = output.terminal ? `with a terminal of ${columns} columns and ${rows} rows` : 'with plain pipes'
  return `Opened ${output.id} ${what}; it waits for input by ${writer}.${missing}`
}

export interface BackgroundInput {
  command: string
  cwd: string
  wait_s: number
}
export type BackgroundOutput = OutputFacts & { id: string }

export const backgroundArguments: { readonly [Key in keyof BackgroundInput]: z.ZodType<BackgroundInput[Key]> } = {
  command: z
    .string()
    .min(1)
    .max(maxCommandCharacters)
    .describe('Command line for bash. It gets no input; what needs some runs in a session.'),
  cwd: cwdArgument,
  wait_s: waitArgument.default(defaultJobWaitSeconds).describe('Seconds to wait for its end; what it has written by then is given.'),
}
export const backgroundOutput: z.ZodType<BackgroundOutput> = z.strictObject({
  id: z.string(),
  ...outputShape,
}) as unknown as z.ZodType<BackgroundOutput>

export const shellBackground: Call<BackgroundInput, BackgroundOutput> = {
  ...sessionCall,
  name: 'shell.background',
  summary: 'Starts a command that goes on while other things are done, without network; shell.session_read reads its output.',
  input: z.strictObject(backgroundArguments),
  output: backgroundOutput,
  example: { command: 'make -j2 all', cwd: '/shared', wait_s: 1 },
  tier: 'privileged',
  effect: 'once',
  timeoutMs: maxWaitSeconds * 1000 + commandGraceMs + sessionGraceMs,
  async run({ command, cwd, wait_s }, context) {
    const { id } = await askSession(context, 'sessionOpen', { kind: 'job', command, cwd: toWorkspacePath(cwd), terminal: null })
    return beginningOf(id, wait_s, context)
  },
}

/** What a job has written after so many seconds, or by its end. */
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

// What is done to sessions and jobs beside talking to them.

const signals = [
  'SIGINT',
  'SIGTERM',
  'SIGKILL',
  'SIGHUP',
  'SIGQUIT',
  'SIGSTOP',
  'SIGCONT',
  'SIGUSR1',
  'SIGUSR2',
] as const satisfies readonly SessionSignal[]

interface ResizeInput {
  id: string
  columns: number
  rows: number
}

export const sessionResize: Call<ResizeInput, { columns: number; rows: number }> = {
  ...sessionCall,
  name: 'shell.session_resize',
  summary: 'Changes the size of the terminal of a shell session.',
  input: z.strictObject({ id: idArgument, columns: cellsArgument.describe('New width.'), rows: cellsArgument.describe('New height.') }),
  output: z.strictObject({ columns: z.int(), rows: z.int() }),
  example: { id: 'shell-1-k3f9x2', columns: 200, rows: 50 },
  tier: 'side_effecting',
  effect: 'idempotent',
  timeoutMs: sessionGraceMs,
  async run(input, context) {
    const output = await askSession(context, 'sessionResize', input)
    return { output, text: `${input.id} has ${output.columns} columns and ${output.rows} rows now.` }
  },
}

interface SignalInput {
  id: string
  signal: SessionSignal
  to: 'foreground' | 'all'
}

export const sessionSignal: Call<SignalInput, { processes: number }> = {
  ...sessionCall,
  name: 'shell.session_signal',
  summary: 'Sends a signal to what runs in a shell session, or to a background job.',
  input: z.strictObject({
    id: idArgument,
    signal: z.enum(signals).default('SIGINT').describe('SIGINT is what Ctrl+C sends; SIGKILL cannot be refused.'),
    to: z
      .enum(['foreground', 'all'])
      .default('foreground')
      .describe('foreground: the command that runs, and not the shell. all: every process of the session, the shell too.'),
  }),
  output: z.strictObject({ processes: z.int() }),
  example: { id: 'job-2-k3f9x2', signal: 'SIGTERM', to: 'foreground' },
  tier: 'side_effecting',
  effect: 'once',
  timeoutMs: sessionGraceMs,
  async run(input, context) {
    const output = await askSession(context, 'sessionSignal', input)
    const { id, signal, to } = input
    const nothing = to === 'foreground' ? 'Nothing runs in its foreground' : 'None of its processes lives'
    const text =
      output.processes === 0
        ? `${nothing}: ${signal} was not sent.`
        : `Sent ${signal} to ${plural(output.processes, 'process', 'processes')} of ${id}.`
    return { output, text, ok: output.processes > 0 }
  },
}

interface CloseOutput {
  exit_code: number | null
  signal: string | null
  total: number
}

/** @param online sessions with a way out, which have passes to give back */
export const sessionClose = (online?: OnlineSessions): Call<{ id: string }, CloseOutput> => ({
  ...sessionCall,
  name: 'shell.session_close',
  summary: 'Ends a shell session or a background job with all that it started, and drops its output.',
  input: z.strictObject({ id: idArgument }),
  output: z.strictObject({ exit_code: z.int().nullable(), signal: z.string().nullable(), total: z.int() }),
  example: { id: 'shell-1-k3f9x2' },
  tier: 'side_effecting',
  effect: 'once',
  timeoutMs: 2 * sessionGraceMs,
  async run({ id }, context) {
    const { ended, total } = await askSession(context, 'sessionClose', { id })
    await online?.closed(id, context)
    const output = { exit_code: ended.exitCode, signal: ended.signal, total }
    return { output, text: `Closed ${id}: ${describeState(ended, null)}, after ${plural(total, 'byte')} of output.` }
  },
})

type ListOutput = SessionOps['sessionList']['output']

/** @param online see sessionClose */
export const sessionList = (online?: OnlineSessions): Call<Record<string, never>, ListOutput> => ({
  ...sessionCall,
  name: 'shell.session_list',
  summary: 'Lists the shell sessions and background jobs of this conversation, and how each stands.',
  input: z.strictObject({}),
  output: z.looseObject({ sessions: z.array(z.looseObject({ id: z.string() })) }) as unknown as z.ZodType<ListOutput>,
  example: {},
  tier: 'read_only',
  effect: 'none',
  timeoutMs: sessionGraceMs,
  async run(_input, context) {
    const { sessions } = await askSession(context, 'sessionList', {})
    const output = { sessions: [...sessions, ...((await online?.list(context)) ?? [])] }
    return { output, text: output.sessions.map(line).join('\n') || 'No session is open, and no job runs.' }
  },
})

function line({ id, terminal, command, cwd, ageMs, total, ended, prompt }: SessionEntry): string {
  const what = command === '' ? (terminal ? 'a shell with a terminal' : 'a shell') : JSON.stringify(command)
  return `${id}: ${what}, begun in ${cwd} ${Math.round(ageMs / 1000)} s ago; ${describeState(ended, prompt)}; ${plural(total, 'byte')} of output`
}

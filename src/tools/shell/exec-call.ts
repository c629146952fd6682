/** Runs commands. Privileged: what a command does is bounded by the sandbox, and by nothing else. */
import { z } from 'zod'
import type { Call, CallContext, Hands, HandsOps, Profile } from '../../types/index.ts'
import {
  commandGraceMs,
  defaultCommandSeconds,
  maxCommandCharacters,
  maxCommandSeconds,
  maxOutputBytes,
  maxStdinCharacters,
  outputEveryMs,
} from '../limits.ts'
import { pathArgument, toWorkspacePath } from '../workspace-arguments.ts'

export interface ExecInput {
  command: string
  cwd: string
  stdin: string
  timeout_s: number
}
export interface ExecOutput {
  exit_code: number | null
  signal: string | null
  timed_out: boolean
  stdout: string
  stderr: string
  stdout_bytes: number
  stderr_bytes: number
  duration_ms: number
}

/** The fields of what a command is told, wherever it runs. */
export const execArguments: { readonly [Key in keyof ExecInput]: z.ZodType<ExecInput[Key]> } = {
  command: z
    .string()
    .min(1)
    .max(maxCommandCharacters)
    .describe('Command line for bash. Each call is a new shell: set variables and folders anew.'),
  cwd: pathArgument.default('/shared').describe('Folder to run in. Relative paths start at /shared.'),
  stdin: z.string().max(maxStdinCharacters).default('').describe('Standard input of the command.'),
  timeout_s: z
    .int()
    .min(1)
    .max(maxCommandSeconds)
    .default(defaultCommandSeconds)
    .describe('Seconds after which the command and all it started are ended.'),
}

/** The fields of what it gives back. */
export const execFields: { readonly [Key in keyof ExecOutput]: z.ZodType<ExecOutput[Key]> } = {
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  timed_out: z.boolean(),
  stdout: z.string(),
  stderr: z.string(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  duration_ms: z.int(),
}

export const shellExec: Call<ExecInput, ExecOutput> = {
  name: 'shell.exec',
  summary: 'Runs a shell command in the sandbox, without network; what it leaves in the background ends with it (see shell.background).',
  input: z.strictObject(execArguments),
  output: z.strictObject(execFields),
  example: { command: 'wc -l *.md', cwd: '/shared', stdin: '', timeout_s: 60 },
  tier: 'privileged',
  right: 'shell.run',
  effect: 'once',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
  timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
  run: (input, context) => runCommand(input, context, 'work'),
}

/** @param profile which decides what the command can reach. @param pass by which the egress proxy knows it. @throws OxbowError as Hands.ask does */
export async function runCommand(
  input: ExecInput,
  context: CallContext,
  profile: Profile,
  pass?: string,
): Promise<{ output: ExecOutput; text: string; ok: boolean }> {
  const timeoutMs = input.timeout_s * 1000
  const { command, stdin } = input
  const watch = context.id
  const request = { command, cwd: toWorkspacePath(input.cwd), stdin, timeoutMs, maxOutputBytes, watch, ...(pass !== undefined && { pass }) }
  const hands = await context.sandbox.hands(profile)
  const asked = hands.ask('exec', request, { signal: context.signal, timeoutMs: timeoutMs + commandGraceMs })
  const stopWatching = showOutput(hands, context)
  const ended = await asked.finally(stopWatching)
  const output = {
    exit_code: ended.exitCode,
    signal: ended.signal,
    timed_out: ended.timedOut,
    stdout: ended.stdout,
    stderr: ended.stderr,
    stdout_bytes: ended.stdoutBytes,
    stderr_bytes: ended.stderrBytes,
    duration_ms: ended.durationMs,
  }
  return { output, text: execText(ended, input.timeout_s), ok: ended.exitCode === 0 && !ended.timedOut }
}

/** Shows the end of the output each second while the command runs; a short command is never asked. @returns what stops it */
function showOutput(hands: Hands, { id, signal, progress }: CallContext): () => void {
  let isAsking = false
  const show = async (): Promise<void> => {
    if (isAsking) return
    isAsking = true
    try {
      progress((await hands.ask('execOutput', { watch: id }, { signal, timeoutMs: commandGraceMs })).tail)
    } catch {
      // Only a view; the command itself reports what goes wrong.
    } finally {
      isAsking = false
    }
  }
  const timer = setInterval(() => void show(), outputEveryMs)
  return () => clearInterval(timer)
}

/** How it ended stands first, where no cut can take it away. */
function execText(ended: HandsOps['exec']['output'], limitSeconds: number): string {
  const parts = [howItEnded(ended, limitSeconds)]
  if (ended.stdout !== '') parts.push(`stdout:\n${ended.stdout.replace(/\n$/, '')}`)
  if (ended.stderr !== '') parts.push(`stderr:\n${ended.stderr.replace(/\n$/, '')}`)
  if (parts.length === 1) parts.push('(no output)')
  return parts.join('\n')
}

function howItEnded(ended: HandsOps['exec']['output'], limitSeconds: number): string {
  if (ended.timedOut)
    return `ended after its limit of ${limitSeconds} s, with all it had started; pass timeout_s (up to ${maxCommandSeconds}) to allow more`
  if (ended.exitCode !== null) return `exit code ${ended.exitCode}`
  const memory = ended.signal === 'SIGKILL' ? ': perhaps it used more memory than the sandbox has' : ''
  return `ended by signal ${ended.signal ?? 'unknown'}${memory}`
}

/** Runs commands. Privileged: only the sandbox limits what a command can do. */
import { z } from 'zod'
import {
  type CallContext,
  defineCall,
  evident,
  type Hands,
  type HandsOps,
  type Profile,
  type StartedProgram,
} from '../../protocol/index.ts'
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

export type ExecInput = z.infer<typeof execInput>
export type ExecOutput = z.infer<typeof execOutput>

/** The input fields of every call that runs a command. */
export const execArguments = {
  command: z
    .string()
    .min(1)
    .max(maxCommandCharacters)
    .meta(evident('Command line for bash. Each call starts a new shell: variables and the working directory do not persist.')),
  cwd: pathArgument.default('/shared').meta(evident('Folder to run in. Relative paths start at /shared.')),
  stdin: z.string().max(maxStdinCharacters).default('').meta(evident('Standard input of the command.')),
  timeout_s: z.int().min(1).max(maxCommandSeconds).default(defaultCommandSeconds).describe(`At most ${maxCommandSeconds}.`),
}

/** The output fields of every call that runs a command. */
export const execFields = {
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
  timed_out: z.boolean(),
  stdout: z.string(),
  stderr: z.string(),
  stdout_bytes: z.int(),
  stderr_bytes: z.int(),
  duration_ms: z.int(),
}

const execInput = z.strictObject(execArguments)

const execOutput = z.strictObject(execFields)

export const shellExec = defineCall({
  name: 'shell.exec',
  summary: 'Runs a bash command in a new shell, without network; background processes end with it.',
  input: execInput,
  output: execOutput,
  example: { command: 'wc -l *.md', cwd: '/shared', stdin: '', timeout_s: 60 },
  tier: 'privileged',
  right: 'shell.run',
  files: 'workspace',
  effect: 'once',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
  timeoutMs: maxCommandSeconds * 1000 + commandGraceMs,
  starts: inShell,
  run: (input, context) => runCommand(input, context, 'work'),
})

/** The program of a call that passes its command to a shell. */
export function inShell({ command, cwd }: Pick<ExecInput, 'command' | 'cwd'>): StartedProgram {
  return { shell: command, binary: '', args: [], env: [], cwd }
}

/** A command of a shell, or a program that is started without one. */
type Started = ExecInput & { readonly program?: HandsOps['exec']['input']['program'] }

/** @param profile decides what the command can reach. @param pass identifies it to the egress proxy. @throws OxbowError as Hands.ask does */
export async function runCommand(
  input: Started,
  context: CallContext,
  profile: Profile,
  pass?: string,
): Promise<{ output: ExecOutput; text: string; ok: boolean }> {
  const timeoutMs = input.timeout_s * 1000
  const { command, stdin, program } = input
  const watch = context.id
  const optional = { ...(pass !== undefined && { pass }), ...(program !== undefined && { program }) }
  const request = { command, cwd: toWorkspacePath(input.cwd), stdin, timeoutMs, maxOutputBytes, watch, ...optional }
  const hands = await context.sandbox.hands(profile)
  const reply = hands.ask('exec', request, { signal: context.signal, timeoutMs: timeoutMs + commandGraceMs })
  const stopWatching = showOutput(hands, context)
  const ended = await reply.finally(stopWatching)
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

/** Shows the end of the output each second while the command runs; a short command is never polled. @returns a function that stops it */
function showOutput(hands: Hands, { id, signal, progress }: CallContext): () => void {
  let isPolling = false
  const show = async (): Promise<void> => {
    if (isPolling) return
    isPolling = true
    try {
      progress((await hands.ask('execOutput', { watch: id }, { signal, timeoutMs: commandGraceMs })).tail)
    } catch {
      // Only a view; the command itself reports failures.
    } finally {
      isPolling = false
    }
  }
  const timer = setInterval(() => void show(), outputEveryMs)
  return () => clearInterval(timer)
}

/** How the command ended comes first, where truncation cannot remove it. */
function execText(ended: HandsOps['exec']['output'], limitSeconds: number): string {
  const parts = [howItEnded(ended, limitSeconds)]
  if (ended.stdout !== '') parts.push(`stdout:\n${ended.stdout.replace(/\n$/, '')}`)
  if (ended.stderr !== '') parts.push(`stderr:\n${ended.stderr.replace(/\n$/, '')}`)
  if (parts.length === 1) parts.push('(no output)')
  return parts.join('\n')
}

function howItEnded(ended: HandsOps['exec']['output'], limitSeconds: number): string {
  if (ended.timedOut)
    return `timed out after ${limitSeconds} s and was ended with all its processes; pass timeout_s (up to ${maxCommandSeconds}) to allow more`
  if (ended.exitCode !== null) return `exit code ${ended.exitCode}`
  const memory = ended.signal === 'SIGKILL' ? ': it may have used more memory than the sandbox has' : ''
  return `ended by signal ${ended.signal ?? 'unknown'}${memory}`
}

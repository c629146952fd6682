/** Calls that resize, signal, close and list sessions and jobs. */
import { z } from 'zod'
import { plural } from '../../base/index.ts'
import { type Call, defineCall, evident, type SessionEntry, type SessionOps, type SessionSignal } from '../../protocol/index.ts'
import { sessionGraceMs } from '../limits.ts'
import type { OnlineSessions } from './online-sessions.ts'
import { askSession, cellsArgument, describeState, idArgument, sessionCall } from './session-arguments.ts'

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

export const sessionResize = defineCall({
  ...sessionCall,
  name: 'shell.session_resize',
  rare: true,
  summary: 'Resizes the terminal of a session.',
  input: z.strictObject({
    id: idArgument,
    columns: cellsArgument.meta(evident('New width.')),
    rows: cellsArgument.meta(evident('New height.')),
  }),
  output: z.strictObject({ columns: z.int(), rows: z.int() }),
  example: { id: 'shell-1-k3f9x2', columns: 200, rows: 50 },
  tier: 'side_effecting',
  effect: 'idempotent',
  timeoutMs: sessionGraceMs,
  async run(input, context) {
    const output = await askSession(context, 'sessionResize', input)
    return { output, text: `${input.id} now has ${output.columns} columns and ${output.rows} rows.` }
  },
})

export const sessionSignal = defineCall({
  ...sessionCall,
  name: 'shell.session_signal',
  rare: true,
  summary: 'Sends a signal (default SIGINT) to the program in a session, or to a job.',
  input: z.strictObject({
    id: idArgument,
    signal: z.enum(signals).default('SIGINT').meta(evident('SIGINT is what Ctrl+C sends; SIGKILL cannot be caught.')),
    to: z
      .enum(['foreground', 'all'])
      .default('foreground')
      .describe('foreground: the running command, not the shell. all: every process of the session, including the shell.'),
  }),
  output: z.strictObject({ processes: z.int() }),
  example: { id: 'job-2-k3f9x2', signal: 'SIGTERM', to: 'foreground' },
  tier: 'side_effecting',
  effect: 'once',
  timeoutMs: sessionGraceMs,
  async run(input, context) {
    const output = await askSession(context, 'sessionSignal', input)
    const { id, signal, to } = input
    const nothing = to === 'foreground' ? 'Nothing runs in its foreground' : 'It has no running process'
    const text =
      output.processes === 0
        ? `${nothing}: ${signal} was not sent.`
        : `Sent ${signal} to ${plural(output.processes, 'process', 'processes')} of ${id}.`
    return { output, text, ok: output.processes > 0 }
  },
})

/** @param online sessions with network, whose passes are returned when they close */
export const sessionClose = (online?: OnlineSessions): Call =>
  defineCall({
    ...sessionCall,
    name: 'shell.session_close',
    summary: 'Ends a session or job and drops its output.',
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
export const sessionList = (online?: OnlineSessions): Call =>
  defineCall({
    ...sessionCall,
    name: 'shell.session_list',
    summary: 'Lists sessions and jobs with their state.',
    input: z.strictObject({}),
    output: z.looseObject({ sessions: z.array(z.looseObject({ id: z.string() })) }) as unknown as z.ZodType<ListOutput>,
    example: {},
    tier: 'read_only',
    effect: 'none',
    timeoutMs: sessionGraceMs,
    async run(_input, context) {
      const { sessions } = await askSession(context, 'sessionList', {})
      const output = { sessions: [...sessions, ...((await online?.list(context)) ?? [])] }
      return { output, text: output.sessions.map(line).join('\n') || 'No session is open and no job is running.' }
    },
  })

function line({ id, terminal, command, cwd, ageMs, total, ended, prompt }: SessionEntry): string {
  const what = command === '' ? (terminal ? 'a shell with a terminal' : 'a shell') : JSON.stringify(command)
  return `${id}: ${what}, started in ${cwd} ${Math.round(ageMs / 1000)} s ago; ${describeState(ended, prompt)}; ${plural(total, 'byte')} of output`
}

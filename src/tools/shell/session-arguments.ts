/** What the session calls share: arguments, owner, requests to hands, and the text of results. */
import { z } from 'zod'
import type { Call, CallContext, HandsOps, SessionEnd, SessionKey, SessionOps, SessionOutput, SessionPrompt } from '../../protocol/index.ts'
import {
  maxCells,
  maxQuietMs,
  maxWaitSeconds,
  minQuietMs,
  sessionGraceMs,
  sessionHeadBytes,
  sessionPageBytes,
  sessionTailBytes,
} from '../limits.ts'
import { askHands } from '../workspace-arguments.ts'

/** Longer than any id that hands make, so that hands answer for ids a model invents. */
export const idArgument: z.ZodString = z.string().min(1).max(60).describe('Session or job, as named when it was opened.')
export const cellsArgument: z.ZodInt = z.int().min(2).max(maxCells)
export const waitField = (seconds: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(0).max(maxWaitSeconds).default(seconds).describe(`Seconds to wait for output or the end, 0 to ${maxWaitSeconds}.`)
export const quietArgument: z.ZodInt = z.int().min(minQuietMs).max(maxQuietMs)

export const keyNames: readonly [SessionKey, ...SessionKey[]] = [
  'enter',
  'tab',
  'escape',
  'backspace',
  'delete',
  'up',
  'down',
  'left',
  'right',
  'home',
  'end',
  'page_up',
  'page_down',
  'ctrl_a',
  'ctrl_c',
  'ctrl_d',
  'ctrl_e',
  'ctrl_k',
  'ctrl_l',
  'ctrl_r',
  'ctrl_u',
  'ctrl_w',
  'ctrl_x',
  'ctrl_z',
  'ctrl_backslash',
]

/** Facts that all calls on one session share. Its output may come from anywhere. */
export const sessionCall: Pick<Call, 'right' | 'files' | 'audience' | 'labels'> = {
  right: 'shell.run',
  files: 'workspace',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
}

/** Of a call that begins a session or a job, which outlives the turn. */
export const closedLater: Pick<Call<never, { readonly id: string }>, 'recordOutput' | 'compensation'> = {
  recordOutput: ({ id }) => ({ shell: id }),
  compensation: ({ outcome: { shell } }) => (typeof shell === 'string' ? { call: 'shell.session_close', input: { id: shell } } : null),
}

/** A conversation has its own sessions. A person outside of any conversation has all of them. */
export function ownerOf({ caller }: CallContext): string {
  if (caller.session !== '') return caller.session
  return caller.audience === 'terminal' ? '' : 'nobody'
}

export const outputShape = {
  text: z.string(),
  from: z.int(),
  next: z.int(),
  total: z.int(),
  dropped: z.int(),
  running: z.boolean(),
  waits_for_input: z.boolean(),
  exit_code: z.int().nullable(),
  signal: z.string().nullable(),
}
export const outputSchema = z.strictObject(outputShape)
export type OutputFacts = z.infer<typeof outputSchema>

export function outputFacts({ ended, prompt, text, from, next, total, dropped }: SessionOutput): OutputFacts {
  return {
    text,
    from,
    next,
    total,
    dropped,
    running: ended === null,
    waits_for_input: prompt !== null,
    exit_code: (ended ?? prompt)?.exitCode ?? null,
    signal: ended?.signal ?? null,
  }
}

/** An error result for a failed command or a killed session. */
export function isFine({ exit_code, signal }: OutputFacts): boolean {
  return signal === null && (exit_code ?? 0) === 0
}

export function describeState(ended: SessionEnd | null, prompt: SessionPrompt | null): string {
  if (ended === null && prompt === null) return 'still running'
  if (ended === null)
    return prompt!.exitCode === null ? 'waiting for the rest of a command' : `waiting for input; exit code ${prompt!.exitCode}`
  if (ended.exitCode !== null) return `ended with exit code ${ended.exitCode}`
  return ended.signal === null ? 'ended' : `ended by signal ${ended.signal}`
}

/** State comes first, where truncation cannot remove it; how to read on comes last. */
export function outputText(id: string, output: SessionOutput): string {
  const { text, from, next, total, dropped, ended, prompt } = output
  const lost = dropped > 0 ? ` ${dropped} earlier bytes are no longer kept.` : ''
  const head = `${id}: ${describeState(ended, prompt)}. Output ${from} to ${next} of ${total} bytes.${lost}`
  const shown = text === '' ? '(no output)' : text.replace(/\n$/, '')
  const more = next < total ? `\n[Continue with from ${next}.]` : ''
  return `${head}\n${shown}${more}`
}

/** Prefix of the ids of sessions with network; hands, which make the rest of the id, do not use it. */
export const onlinePrefix = 'net-'

export function isOnline(id: string): boolean {
  return id.startsWith(onlinePrefix)
}

/** Sends a request to the hands that hold the session. @throws OxbowError as Hands.ask does */
export async function askSession<Op extends keyof SessionOps>(
  context: CallContext,
  op: Op,
  input: Omit<HandsOps[Op]['input'], 'owner'>,
  waitMs = 0,
): Promise<HandsOps[Op]['output']> {
  const owned = { ...input, owner: ownerOf(context) } as HandsOps[Op]['input']
  const timeoutMs = waitMs + sessionGraceMs
  if (!('id' in owned) || !isOnline(owned.id)) return askHands(context, op, owned, timeoutMs)
  return askOnline(context, op, { ...owned, id: owned.id.slice(onlinePrefix.length) }, timeoutMs)
}

/** @param input with the id as hands know it */
export async function askOnline<Op extends keyof SessionOps>(
  context: CallContext,
  op: Op,
  input: HandsOps[Op]['input'],
  timeoutMs: number,
): Promise<HandsOps[Op]['output']> {
  const hands = await context.sandbox.hands('online')
  return hands.ask(op, input, { signal: context.signal, timeoutMs })
}

/** Waits as requested and returns the output since `from`: whole when it is short, else its beginning and end. */
export async function readBothEnds(
  context: CallContext,
  wait: { id: string; from: number; waitMs: number; quietMs: number },
  awaitBytes: number,
): Promise<SessionOutput> {
  const ask = (more: { from: number; maxBytes: number; waitMs: number }) =>
    askSession(context, 'sessionRead', { ...wait, ...more, until: 'quiet', plain: true }, more.waitMs)
  const whole = await ask({ from: wait.from, maxBytes: awaitBytes, waitMs: wait.waitMs })
  if (whole.next === whole.total && whole.next - whole.from <= sessionPageBytes) return whole
  const head = await ask({ from: wait.from, maxBytes: sessionHeadBytes, waitMs: 0 })
  const tail = await ask({ from: Math.max(head.next, head.total - sessionTailBytes), maxBytes: sessionTailBytes, waitMs: 0 })
  const left = tail.from - head.next
  const cut = `[… ${left} bytes omitted: read them with shell.session_read, from ${head.next} …]`
  const text = left === 0 ? `${head.text}${tail.text}` : `${head.text}\n${cut}\n${tail.text}`
  return { ...tail, text, from: head.from, dropped: head.dropped }
}

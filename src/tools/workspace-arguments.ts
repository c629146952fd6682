/** What the calls on the workspace have in common: paths, hands, facts for the gate, and what each session has seen of a file. */
import { posix } from 'node:path'
import { z } from 'zod'
import { type Call, type CallContext, type Caller, createRecentMap, type HandsOp, type HandsOps, OxbowError } from '../types/index.ts'
import { changeTimeoutMs, maxPathCharacters, maxSeenFiles } from './limits.ts'

export const pathArgument: z.ZodString = z.string().min(1).max(maxPathCharacters)

/**
 * Where it may lead is decided by hands, which do not see the vault; who names it is told the way.
 * @returns the path as hands know it: what is relative starts at /shared.
 * @throws OxbowError `path_refused` for the vault
 */
export function toWorkspacePath(path: string): string {
  if (!posix.isAbsolute(path)) return posix.join('/shared', path)
  if (!/^\/+vault(\/|$)/.test(posix.normalize(path))) return path
  throw new OxbowError('path_refused', 'What is in the vault cannot be read, written or run in place.', {
    hint: 'Copy the file to /shared or /tmp with vault_copy_to first; vault_list shows names.',
  })
}

/** Asks the hands that may read and write the workspace. @throws OxbowError as Hands.ask does. */
export async function askHands<Op extends HandsOp>(
  context: CallContext,
  op: Op,
  input: HandsOps[Op]['input'],
  timeoutMs: number,
): Promise<HandsOps[Op]['output']> {
  const hands = await context.sandbox.hands('work')
  return hands.ask(op, input, { signal: context.signal, timeoutMs })
}

/**
 * For lists of one entry a line: a name may hold line ends and control characters, and printed as it is would make entries that are
 * not there, or be another name. Such a name stands in quotes, as JSON has it; so does one that begins with a quotation mark, which
 * could be taken for one of these.
 */
export function listedPath(path: string): string {
  if (!/^"|[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) return path
  return JSON.stringify(path).replace(/[\u007f-\u009f\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

type Shared = 'tier' | 'right' | 'audience' | 'labels'

/** Looks and changes nothing. What it brings in was written by anybody. */
export const looking: Pick<Call, Shared | 'effect'> = {
  tier: 'read_only',
  right: 'file.read',
  effect: 'none',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
}

export const changing: Pick<Call, Shared | 'timeoutMs'> = {
  tier: 'side_effecting',
  right: 'file.write',
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: changeTimeoutMs,
}

/**
 * Which content of a file each session has read or written last, by hash: so that a change can say that somebody else was there in
 * between. In memory only: after a restart nothing is said.
 */
export interface SeenFiles {
  note(caller: Caller, path: string, hash: string): void
  /** Notes the new content. @returns whether `was` is not what the session had seen of it */
  replace(caller: Caller, path: string, was: string, hash: string): boolean
}

export function createSeenFiles(): SeenFiles {
  const hashes = createRecentMap<string, string>(maxSeenFiles)
  const keyOf = (caller: Caller, path: string): string => `${caller.session}\0${posix.normalize(path)}`
  return {
    note: (caller, path, hash) => hashes.put(keyOf(caller, path), hash),
    replace(caller, path, was, hash) {
      const key = keyOf(caller, path)
      const seen = hashes.get(key) ?? ''
      hashes.put(key, hash)
      return seen !== '' && was !== '' && seen !== was
    },
  }
}

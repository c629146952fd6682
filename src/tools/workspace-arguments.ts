/** What the workspace calls share: paths, requests to hands, facts for the gate, and the content each session has seen of a file. */
import { posix } from 'node:path'
import { z } from 'zod'
import { createRecentMap, OxbowError } from '../base/index.ts'
import type { Call, CallContext, Caller, HandsOp, HandsOps } from '../protocol/index.ts'
import { changeTimeoutMs, maxListDepth, maxPathCharacters, maxSeenFiles, maxSkip } from './limits.ts'

/** Without a description: a field that says more than `pathField` describes itself. */
export const pathArgument: z.ZodString = z.string().min(1).max(maxPathCharacters)

/** The field that names a file or folder. */
export const pathField: z.ZodString = pathArgument.describe('File or folder. Relative paths start at /shared.')

/** The field that allows replacing a file. */
export const overwriteField: z.ZodDefault<z.ZodBoolean> = z.boolean().default(false).describe('Replace an existing file.')

export const skipField: z.ZodDefault<z.ZodInt> = z.int().min(0).max(maxSkip).default(0).describe('Results to skip: those already shown.')

export const depthField = (levels: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(maxListDepth).default(levels).describe('Levels of folders to descend.')

/**
 * Hands, which do not see the vault, decide where a path may lead; a path in the vault gets a hint.
 * @returns the path in the form that hands use; relative paths start at /shared
 * @throws OxbowError `path_refused` for the vault
 */
export function toWorkspacePath(path: string): string {
  if (!posix.isAbsolute(path)) return posix.join('/shared', path)
  if (!/^\/+vault(\/|$)/.test(posix.normalize(path))) return path
  throw new OxbowError('path_refused', 'Files in the vault cannot be read, written or run in place.', {
    hint: 'Copy the file to /shared or /tmp with vault_copy_to first; vault_list shows the names.',
  })
}

/** Sends a request to the hands that may read and write the workspace. @throws OxbowError as Hands.ask does. */
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
 * For lists with one entry a line: a name may hold line ends and control characters that would fake further entries or another name.
 * Such a name is quoted as JSON, and so is one that begins with a quotation mark.
 */
export function listedPath(path: string): string {
  if (!/^"|[\p{Cc}\p{Zl}\p{Zp}]/u.test(path)) return path
  return JSON.stringify(path).replace(/[\u007f-\u009f\u2028\u2029]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

type Shared = 'tier' | 'right' | 'audience' | 'labels'

/** Reads only. Anybody may have written the content. */
export const looking: Pick<Call, Shared | 'effect'> = {
  tier: 'read_only',
  right: 'file.read',
  effect: 'none',
  audience: ['model', 'terminal'],
  labels: { adds: ['untrusted'], sink: false },
}

/** What calls that change files of the workspace have in common. */
export const changing: Pick<Call, Shared | 'timeoutMs' | 'files'> = {
  files: 'writes',
  tier: 'side_effecting',
  right: 'file.write',
  audience: ['model', 'terminal'],
  labels: { adds: [], sink: false },
  timeoutMs: changeTimeoutMs,
}

/**
 * The hash of the content that each session last read or wrote of each file, so that a change can report that somebody else has
 * changed the file in between. In memory only: a restart forgets it.
 */
export interface SeenFiles {
  note(caller: Caller, path: string, hash: string): void
  /** Stores the new hash. @returns whether `was` differs from the content that the session had seen */
  replace(caller: Caller, path: string, was: string, hash: string): boolean
}

/** Remembers which state of a file each session has seen, to tell when somebody has changed it since. */
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

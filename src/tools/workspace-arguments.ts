/** What the calls on the workspace have in common. */
import { posix } from 'node:path'
import { z } from 'zod'
import type { CallContext, HandsOp, HandsOps } from '../types/index.ts'
import { maxPathCharacters } from './limits.ts'

export const pathArgument: z.ZodString = z.string().min(1).max(maxPathCharacters)

/** @returns the path as hands know it: what is relative starts at /shared. Where it may lead is decided by hands. */
export function toWorkspacePath(path: string): string {
  return posix.isAbsolute(path) ? path : posix.join('/shared', path)
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

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

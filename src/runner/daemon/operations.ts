/**
 * What may be asked over a control socket: a table, to which a part of Oxbow adds its own operation. The socket says who asks. A user may ask
 * about themselves, an administrator about everybody; each operation says which of the two it needs.
 */
import type { z } from 'zod'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import { controlOperations, type ControlOperation, type ControlOutput, type ControlTaken } from '../../protocol/index.ts'

/** Who asks: one user, or with null an administrator. */
export interface Caller {
  readonly user: string | null
  /** Aborts when they hang up. */
  readonly gone: AbortSignal
}

interface Operation {
  readonly input: z.ZodType
  /** Only administrators may ask. */
  readonly isForAdmin?: boolean
  run(input: unknown, caller: Caller): Promise<unknown>
}

/** By name. */
export type Operations = Readonly<Record<string, Operation>>

/** One of `controlOperations`, typed. */
export function operation<Op extends ControlOperation>(
  name: Op,
  run: (input: ControlTaken<Op>, caller: Caller) => Promise<ControlOutput<Op>>,
  isForAdmin = false,
): Operations {
  const { input } = controlOperations[name]
  return { [name]: { input, isForAdmin, run: async (taken, caller) => run(taken as ControlTaken<Op>, caller) } }
}

/** @throws OxbowError `unknown_call`, `bad_input`, `denied`, or as the operation does */
export async function operate(operations: Operations, name: string, given: unknown, caller: Caller): Promise<unknown> {
  const found = Object.hasOwn(operations, name) ? operations[name] : undefined
  if (found === undefined) {
    const names = Object.keys(operations).join(', ')
    throw new OxbowError('unknown_call', `the daemon has no operation ${JSON.stringify(name.slice(0, 64))}; it has ${names}`, {
      hint: 'An older daemon knows fewer operations: oxbow service status says which version runs.',
    })
  }
  if (found.isForAdmin === true && caller.user !== null) throw forAdmins(name)
  const input = found.input.safeParse(given)
  if (!input.success) {
    const why = input.error.issues.map(({ path, message }) => `${path.join('.') || 'input'}: ${message}`).join('; ')
    throw new OxbowError('bad_input', `${name}: ${why.slice(0, 1_000)}`, { hint: 'docs/daemon.md describes the operations.' })
  }
  return found.run(input.data, caller)
}

function forAdmins(name: string): OxbowError {
  return new OxbowError('denied', `only an administrator may ask for ${name}`, { hint: 'Ask for it as root: sudo oxbow …' })
}

/**
 * @param everybody all users
 * @returns whom a request is about @throws OxbowError `denied` for another user than the caller
 */
export function usersMeant(
  { user, all }: { readonly user?: string | undefined; readonly all?: boolean | undefined },
  caller: Caller,
  everybody: () => readonly string[],
): readonly string[] {
  if (caller.user === null) {
    if (all === true) return everybody()
    if (user !== undefined) return [user]
    throw new OxbowError('bad_input', 'nobody is named', { hint: 'Name a user with --user, or add --all.' })
  }
  if (user !== undefined && user !== caller.user) {
    throw new OxbowError('denied', `you are ${caller.user}, and ${user} is somebody else`, {
      hint: 'Ask an administrator of this machine.',
    })
  }
  return [caller.user]
}

/** @returns what each gave; one who fails keeps nobody else from it. @throws as the only one */
export async function forEach<Output>(users: readonly string[], work: (user: string) => Promise<Output>): Promise<readonly Output[]> {
  const done = await Promise.allSettled(users.map(work))
  if (users.length === 1 && done[0]?.status === 'rejected') throw done[0].reason
  const bug = done.find((each) => each.status === 'rejected' && !isOxbowError(each.reason))
  if (bug?.status === 'rejected') throw bug.reason
  return done.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

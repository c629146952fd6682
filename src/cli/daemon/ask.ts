/** What verbs ask the daemon, where one runs. */
import { existsSync } from 'node:fs'
import { askDaemon, type ControlPlace, controlPlaceOf, findGuest, type GuestSetup, parseUser } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { ControlInput, ControlOperation, ControlOutput } from '../../protocol/index.ts'
import type { Terminal } from '../terminal.ts'
import { defaultUser } from '../verb-parts.ts'

/** Whom a verb is about. */
export interface UserChoice {
  readonly user: string
  readonly all?: boolean | undefined
}

/** @returns null where no daemon runs for this home @throws OxbowError as it refused, or where it alone could do what is asked */
export async function askHere<Op extends ControlOperation>(
  terminal: Pick<Terminal, 'env'>,
  op: Op,
  input: (place: ControlPlace) => ControlInput<Op>,
): Promise<ControlOutput<Op> | null> {
  const place = controlPlaceOf(terminal.env)
  const answer = await askDaemon(place.socket, op, input(place))
  if (answer !== null || place.mode === 'personal') return answer
  throw new OxbowError('guest_unreachable', 'the daemon of this machine does not run', {
    hint: place.isAdmin
      ? 'Start it: systemctl start oxbow. It is installed by: oxbow service install --system'
      : 'Ask an administrator: systemctl start oxbow',
  })
}

/** @throws OxbowError `bad_input` for a name that cannot be a user's */
export function whose({ user, all }: UserChoice, { mode }: ControlPlace): { user?: string; all?: true } {
  if (all === true) return { all: true }
  if (mode === 'personal') return { user: parseUser(user) }
  // Without a name a person means themselves, and an administrator nobody.
  return user === defaultUser ? {} : { user }
}

/** Where the daemon keeps the user's guest and it is not there, such as after it had nothing to do, asks for it. */
export async function wakeGuest({ workspace, env }: Pick<GuestSetup, 'workspace' | 'env'>): Promise<void> {
  const { socket, user } = controlPlaceOf(env, false)
  if (!existsSync(socket) || (await findGuest(workspace)) !== null) return
  const answer = await askDaemon(socket, 'start', { wake: true, ...(user === null && { user: workspace.user }) }).catch(() => null)
  const [status] = answer?.users ?? []
  // In a home of one's own a terminal can start a guest itself.
  if (user === null || status === undefined || status.state === 'running' || status.state === 'other') return
  throw new OxbowError('guest_unreachable', `the guest of ${user} does not run${status.reason === '' ? '' : `: ${status.reason}`}`, {
    hint: status.hint || 'Start it: oxbow start',
  })
}

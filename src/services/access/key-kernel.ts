/** The kernel as a program with an API key sees it: the same interface, with the key's rights only. */
import { type Gate, type Journal, type Kernel, type KernelEvent, optionsOf, type PastDelivery, type StartTurn } from '../../kernel/index.ts'
import { type CallId, isOxbowError, OxbowError, type SessionId, toError, untilAborted } from '../../base/index.ts'
import { type Caller, type CallOutcome, cancelCall, type SessionInfo } from '../../protocol/index.ts'
import { createForeignCalls, type ForeignDeps } from './foreign-calls.ts'
import { mayFollow } from './followed.ts'
import { createKeys, type KeyDeps } from './keys.ts'

interface KeyKernelDeps extends KeyDeps, Omit<ForeignDeps, 'openSession'> {
  readonly gate: Gate
  readonly journal: Pick<Journal, 'note' | 'flushed' | 'store'>
  readonly startTurn: StartTurn
}

/** @returns a function from a key to the kernel with its rights, which throws OxbowError `unauthenticated` or `limit_reached` */
export function createKeyKernels(deps: KeyKernelDeps, owner: Kernel): (key: string) => Promise<Kernel> {
  const keys = createKeys(deps)
  const { gate, newId, journal, startTurn } = deps
  const foreign = createForeignCalls({ ...deps, openSession: async (title) => (await owner.createSession(title)).id })
  return async (key) => {
    const id = await keys.check(key)
    const call = async (name: string, input: unknown, session: SessionId | '' = '', known?: CallId): Promise<CallOutcome> => {
      const caller = await keys.callerOf(id, session, '')
      // The call is cancelled, and its result is nobody's any more.
      return whileHeld(gate.call(caller, name, input, optionsOf(known, newId)), caller.ended)
    }
    const resultOf = async (outcome: Promise<CallOutcome>): Promise<unknown> => {
      const ended = await outcome
      if (ended.status !== 'ok') throw toError(ended.failure)
      return ended.output
    }
    const view: Kernel = {
      ...owner,
      call: ((name, input, session, known) => call(name, input, session, known)) as Kernel['call'],
      async createSession(title, clientId = newId() as CallId) {
        // The call's id becomes the session's. The list answers a repeated request.
        const made = await call('session.create', title === undefined ? {} : { title }, '', clientId)
        if (made.status === 'refused') throw toError(made.failure)
        return findSession(await view.listSessions(maxListed), clientId)
      },
      listSessions: async (limit) => (await resultOf(call('session.list', { limit }))) as readonly SessionInfo[],
      async sendTurn(send) {
        const { ended, ...as } = await keys.callerOf(id, send.session, '')
        return startTurn({ ...send, as: isPage(as) ? as : { ...as, ended } })
      },
      cancelTurn: async (session) => ((await resultOf(call(cancelCall, { session }, session))) as { cancelled: boolean }).cancelled,
      approve: async (waiting, allow) => ((await resultOf(call('call.decide', { call: waiting, allow }))) as { next: string }).next,
      async follow(session, cursor, listener, past) {
        const caller = await keys.callerOf(id, session, '')
        if (!(await mayFollow(deps.documents, caller, session))) assertMayRead(caller, journal, newId() as CallId)
        return followWhile(owner, caller.ended, { session, cursor, listener, past })
      },
      onNotice: noticesWhileHeld(owner, () => keys.callerOf(id, '', '')),
      onEnd: endOfRights(() => keys.callerOf(id, '', '')),
      async check() {
        const { rights, limits } = await keys.callerOf(id, '', '')
        return rights.has('*') && limits === undefined
      },
      // A key that a person makes with this right has a name of its own, and the usual limit.
      isOfChannels: async () => {
        const { actor, rights } = await keys.callerOf(id, '', '')
        return actor === 'key:channels' && rights.has('channel.use')
      },
      foreign: foreign((session, turn) => keys.callerOf(id, session, turn)),
      close: () => Promise.resolve(),
    }
    return view
  }
}

const maxListed = 1_000

/** Of a page that has signed in: what it sends is the owner's, and goes on when they sign out. */
function isPage({ actor, rights, limits }: Caller): boolean {
  return actor.startsWith('key:web-') && rights.has('*') && limits === undefined
}

/** @throws the reason of the signal as soon as it is aborted */
async function whileHeld<Value>(work: Promise<Value>, ended: AbortSignal): Promise<Value> {
  const value = await untilAborted(work, ended)
  ended.throwIfAborted()
  return value
}

/** A caller of the key, with its rights now. */
type CallerNow = () => Promise<Caller & { readonly ended: AbortSignal }>

function noticesWhileHeld(owner: Kernel, callerNow: CallerNow): Kernel['onNotice'] {
  return (listener) => {
    let stop: (() => void) | null = null
    const end = (): void => stop?.()
    const begin = ({ rights, ended }: Awaited<ReturnType<CallerNow>>): void => {
      if (stop !== null || (!rights.has('*') && !rights.has('events.read'))) return
      const leave = owner.onNotice(listener)
      stop = () => {
        ended.removeEventListener('abort', end)
        leave()
      }
      ended.addEventListener('abort', end, { once: true })
    }
    callerNow().then(begin, () => {})
    return () => {
      end()
      stop = () => {}
    }
  }
}

function endOfRights(callerNow: CallerNow): NonNullable<Kernel['onEnd']> {
  return (listener) => {
    let stop: (() => void) | null = null
    const begin = ({ ended }: Awaited<ReturnType<CallerNow>>): void => {
      if (stop !== null) return
      const end = (): void => listener(ended.reason as OxbowError)
      stop = () => ended.removeEventListener('abort', end)
      if (ended.aborted) end()
      else ended.addEventListener('abort', end, { once: true })
    }
    callerNow().then(begin, (error: unknown) => stop === null && isOxbowError(error) && listener(error))
    return () => {
      stop?.()
      stop = () => {}
    }
  }
}

interface Following {
  readonly session: SessionId
  readonly cursor: number
  readonly listener: (event: KernelEvent) => void
  readonly past: PastDelivery | undefined
}

/** Nothing is delivered once the rights are gone. */
async function followWhile(owner: Kernel, ended: AbortSignal, { session, cursor, listener, past }: Following): Promise<() => void> {
  const leaving = past?.leaving === undefined ? ended : AbortSignal.any([past.leaving, ended])
  const heard = (event: KernelEvent): void => {
    if (!ended.aborted) listener(event)
  }
  const stop = await owner.follow(session, cursor, heard, { ...past, leaving })
  const end = (): void => {
    ended.removeEventListener('abort', end)
    stop()
  }
  if (ended.aborted) end()
  else ended.addEventListener('abort', end, { once: true })
  return end
}

function findSession(sessions: readonly SessionInfo[], id: string): SessionInfo {
  const found = sessions.find((session) => session.id === id)
  if (found !== undefined) return found
  throw new OxbowError('bad_input', `The id ${id} was used before.`, { hint: 'Use a new id for each session.' })
}

/** Following a session is no call; its refusal is recorded as one. @throws OxbowError `denied` */
function assertMayRead(caller: Caller, journal: Pick<Journal, 'note'>, call: CallId): void {
  if (caller.rights.has('*') || caller.rights.has('session.read')) return
  const message = 'Following a session needs the right session.read.'
  const hint = 'Use a key that has it: `oxbow keys create NAME --right session.read`.'
  const body = { status: 'refused', code: 'denied', message, hint, text: `Error (denied): ${message} ${hint}` }
  journal.note([{ caller, call, name: 'session.follow', phase: 'refused', body }])
  throw new OxbowError('denied', message, { hint })
}

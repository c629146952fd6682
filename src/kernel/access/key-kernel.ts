/** The kernel as a program with an API key sees it: the same interface, with the key's rights only. */
import {
  type Caller,
  type CallId,
  type CallOutcome,
  type Json,
  OxbowError,
  type SessionId,
  type SessionInfo,
  toError,
} from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import { optionsOf } from '../stages/running-calls.ts'
import type { Journal } from '../journal.ts'
import { createForeignCalls, type ForeignDeps } from './foreign-calls.ts'
import type { Kernel } from '../kernel-interface.ts'
import type { StartTurn } from '../turns/start-turn.ts'
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
    const call = async (name: string, input: unknown, session: SessionId | '' = '', known?: CallId): Promise<CallOutcome> =>
      gate.call(await keys.callerOf(id, session, ''), name, input, optionsOf(known, newId))
    const resultOf = async (outcome: Promise<CallOutcome>): Promise<unknown> => {
      const ended = await outcome
      if (ended.status !== 'ok') throw toError(ended.failure)
      return ended.output
    }
    const view: Kernel = {
      ...owner,
      call: (name: string, input: Json, session?: SessionId, known?: CallId) => call(name, input, session, known),
      async createSession(title, clientId = newId() as CallId) {
        // The id of the call is that of the session. A repeated request is answered by the list.
        const made = await call('session.create', title === undefined ? {} : { title }, '', clientId)
        if (made.status === 'refused') throw toError(made.failure)
        return findSession(await view.listSessions(maxListed), clientId)
      },
      listSessions: async (limit) => (await resultOf(call('session.list', { limit }))) as readonly SessionInfo[],
      async sendTurn(send) {
        const as = await keys.callerOf(id, send.session, '')
        return startTurn({ ...send, as })
      },
      cancelTurn: async (session) => ((await resultOf(call('turn.cancel', { session }, session))) as { cancelled: boolean }).cancelled,
      approve: async (waiting, allow) => void (await resultOf(call('call.decide', { call: waiting, allow }))),
      async follow(session, cursor, listener, past) {
        assertMayRead(await keys.callerOf(id, session, ''), journal, newId() as CallId)
        return owner.follow(session, cursor, listener, past)
      },
      onNotice(listener) {
        let stop: (() => void) | null = null
        let isOver = false
        const begin = ({ rights }: Caller): void => {
          if (!isOver && (rights.has('*') || rights.has('events.read'))) stop = owner.onNotice(listener)
        }
        keys.callerOf(id, '', '').then(begin, () => {})
        return () => {
          isOver = true
          stop?.()
        }
      },
      async check() {
        const { rights, limits } = await keys.callerOf(id, '', '')
        return rights.has('*') && limits === undefined
      },
      foreign: foreign((session, turn) => keys.callerOf(id, session, turn)),
      close: () => Promise.resolve(),
    }
    return view
  }
}

const maxListed = 1_000

function findSession(sessions: readonly SessionInfo[], id: string): SessionInfo {
  const found = sessions.find((session) => session.id === id)
  if (found !== undefined) return found
  throw new OxbowError('bad_input', `The id ${id} is not that of a new session.`, { hint: 'Use a new id for each session.' })
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

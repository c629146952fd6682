/**
 * Stage 5, approve: a call that policy wants asked is parked in the journal with its exact input and waits, for days if it
 * must. The decision binds to that input: the same call id with another input is asked again.
 */
import type { Caller, CallId, PendingApproval, SessionId, TurnId } from '../../types/index.ts'
import { stopReason } from './running-calls.ts'

export interface Approvals {
  /** Waits for the decision on a parked call. Rejects with the signal's reason when the turn ends first. */
  wait(approval: PendingApproval, signal: AbortSignal): Promise<boolean>
  /** Wakes the waiting call. @returns false when nothing waits under this id. */
  decide(call: CallId, allow: boolean): boolean
  find(call: CallId): PendingApproval | undefined
  pending(session: SessionId): readonly PendingApproval[]
}

export function createApprovals(): Approvals {
  const waiting = new Map<CallId, { readonly approval: PendingApproval; readonly wake: (allow: boolean) => void }>()
  return {
    wait: (approval, signal) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          waiting.delete(approval.call)
          signal.removeEventListener('abort', stop)
        }
        const stop = (): void => {
          // What a stop of the guest cuts off waits on: a decision that still comes holds at the next start.
          if (stopReason(signal) !== 'shutdown') done()
          reject(signal.reason)
        }
        if (signal.aborted) return reject(signal.reason)
        signal.addEventListener('abort', stop)
        waiting.set(approval.call, {
          approval,
          wake: (allow) => {
            done()
            resolve(allow)
          },
        })
      }),
    decide(call, allow) {
      const found = waiting.get(call)
      found?.wake(allow)
      return found !== undefined
    },
    find: (call) => waiting.get(call)?.approval,
    pending: (session) => [...waiting.values()].map((entry) => entry.approval).filter((approval) => approval.session === session),
  }
}

export function describeApproval(
  caller: Caller,
  asked: Pick<PendingApproval, 'call' | 'name' | 'input' | 'at'> & { readonly reason: string },
): PendingApproval {
  return { ...asked, session: caller.session as SessionId, turn: caller.turn as TurnId }
}

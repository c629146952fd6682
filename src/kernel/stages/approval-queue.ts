/** The calls that wait for a person, and who wakes them. */
import type { CallId, Json, SessionId } from '../../base/index.ts'
import type { PendingApproval } from '../../protocol/index.ts'
import { stopReason } from './running-calls.ts'

/** What was decided on a call, and by whom. */
export interface Answer {
  readonly allow: boolean
  readonly by: string
  /** Why it was denied, for the model. */
  readonly reason?: string | undefined
  /** Runs instead of the input that was asked about. */
  readonly edited?: Json | undefined
  /** Nobody decided in time. */
  readonly expired?: true
}

export interface Approvals {
  /** Waits for the decision on a parked call. Rejects with the signal's reason when the turn ends first. */
  wait(approval: PendingApproval, signal: AbortSignal): Promise<Answer>
  /** Wakes the waiting call. @returns false when no call with this id waits */
  decide(call: CallId, answer: Answer): boolean
  find(call: CallId): PendingApproval | undefined
  /** @param session absent: of all sessions */
  pending(session?: SessionId): readonly PendingApproval[]
  /** Approvals of a session and of the agents below it. */
  shownIn(session: SessionId): readonly PendingApproval[]
  /** @returns the session that an agent's session serves; any other is its own */
  top(session: SessionId): SessionId
  /**
   * Shows the calls of agents at the top of their tree, too.
   * @param topOf the session at the top and the name of the agent; null for a session that is no agent's
   * @param onChange called when such a call begins and ends to wait
   */
  showAtTop(topOf: TopOf, onChange: (shown: ShownAtTop) => void): void
}

type TopOf = (session: SessionId) => { readonly session: SessionId; readonly agent: string } | null

interface ShownAtTop {
  readonly session: SessionId
  readonly waits: boolean
  readonly approval: PendingApproval
}

export function createApprovals(): Approvals {
  const waiting = new Map<CallId, { readonly approval: PendingApproval; readonly wake: (answer: Answer) => void }>()
  let topOf: TopOf = () => null
  let onChange: (shown: ShownAtTop) => void = () => {}
  const atTop = (approval: PendingApproval): Omit<ShownAtTop, 'waits'> | null => {
    const top = topOf(approval.session)
    if (top === null) return null
    const { session, agent } = top
    return { session, approval: { ...approval, agent, reason: `Agent ${agent}: ${approval.reason ?? 'it asks'}` } }
  }
  const change = (approval: PendingApproval, waits: boolean): void => {
    const shown = atTop(approval)
    if (shown !== null) onChange({ ...shown, waits })
  }
  return {
    wait: (approval, signal) =>
      new Promise((resolve, reject) => {
        const done = (): void => {
          waiting.delete(approval.call)
          change(approval, false)
          signal.removeEventListener('abort', stop)
        }
        const stop = (): void => {
          // When the guest stops, the call keeps waiting: a decision that still arrives is valid at the next start.
          if (stopReason(signal) !== 'shutdown') done()
          reject(signal.reason)
        }
        if (signal.aborted) return reject(signal.reason)
        signal.addEventListener('abort', stop)
        waiting.set(approval.call, {
          approval,
          wake: (answer) => {
            done()
            resolve(answer)
          },
        })
        change(approval, true)
      }),
    decide(call, answer) {
      const parked = waiting.get(call)
      parked?.wake(answer)
      return parked !== undefined
    },
    find: (call) => waiting.get(call)?.approval,
    shownIn: (session) =>
      [...waiting.values()].flatMap(({ approval }) => {
        if (approval.session === session) return [approval]
        const top = atTop(approval)
        return top?.session === session ? [top.approval] : []
      }),
    top: (session) => topOf(session)?.session ?? session,
    showAtTop(top, changed) {
      topOf = top
      onChange = changed
    },
    pending: (session) =>
      [...waiting.values()].map((entry) => entry.approval).filter((approval) => session === undefined || approval.session === session),
  }
}

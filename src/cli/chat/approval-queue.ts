/** The approvals of one session that wait, asked one at a time in the order of their calls. */
import type { CallId, PendingApproval } from '../../types/index.ts'

export interface ApprovalQueue {
  /** The one that is asked now. */
  first(): PendingApproval | null
  /** @returns whether it is the one to ask now. One that is there already is not added. */
  add(approval: PendingApproval): boolean
  /** @returns whether it was the one that was asked. */
  remove(call: CallId): boolean
  clear(): void
}

export function createApprovalQueue(): ApprovalQueue {
  let waiting: readonly PendingApproval[] = []
  return {
    first: () => waiting[0] ?? null,
    add(approval) {
      if (waiting.some(({ call }) => call === approval.call)) return false
      waiting = [...waiting, approval]
      return waiting.length === 1
    },
    remove(call) {
      const wasFirst = waiting[0]?.call === call
      waiting = waiting.filter((approval) => approval.call !== call)
      return wasFirst
    },
    clear() {
      waiting = []
    },
  }
}

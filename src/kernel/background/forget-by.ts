/** What the kernel does when memory forgets: bodies of the journal go, with a record of it, and so do words of summaries and titles. */
import { loadSummary, type Memory } from '../../memory/index.ts'
import type { Store } from '../../store/index.ts'
import type { CallId, UserId } from '../../types/index.ts'
import type { Summaries } from '../conversation/summaries.ts'
import type { Gate } from '../gate.ts'
import type { Journal } from '../journal.ts'
import { userCaller } from '../stages/policy.ts'
import { forgetTitles } from './forget-titles.ts'

interface ForgetDeps {
  readonly user: UserId
  readonly store: Store
  readonly journal: Journal
  readonly gate: Gate
  readonly summaries: Summaries
  readonly newId: () => string
}

export function forgetBy(memory: Memory, { user, store, journal, gate, summaries, newId }: ForgetDeps): void {
  memory.eraseBy((seqs, reason) => {
    const caller = { actor: 'kernel', session: '', turn: '' } as const
    return journal.erase({ caller, call: newId() as CallId, name: 'memory.forget' }, seqs, reason)
  })
  memory.onForget(async (gone) => {
    const { forgetInSummary } = await loadSummary()
    let changed = 0
    for (const session of gone.sessions) {
      const asked = { id: newId() as CallId, caller: userCaller(user, session, '') }
      if (await summaries.rewrite(session, (summary) => forgetInSummary(summary, gone), asked)) changed++
    }
    return changed + (await forgetTitles({ user, store, journal, gate, newId }, gone))
  })
}

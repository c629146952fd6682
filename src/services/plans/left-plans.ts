/** What a crash has left of plans: those that were being made have failed, and those that were being applied go on. */
import { type Core, type Documents, giveBack } from '../../kernel/index.ts'
import type { CallId, TurnId } from '../../base/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { type ApplyRuns, turnOf } from './apply-run.ts'
import { planCategory, readPlans, applyCategory } from './plan-record.ts'

type LeftDeps = Pick<Core, 'documents' | 'newId' | 'user'>

export async function takeUp({ documents, newId, user }: LeftDeps, runs: ApplyRuns, versions: () => Promise<OpenVersions>): Promise<void> {
  for (const plan of await readPlans(documents)) {
    if (plan.state !== 'making') continue
    const by = { caller: { actor: `user:${user}`, session: plan.session, turn: '' as const }, call: newId() as CallId, name: 'plan.make' }
    const failure = { code: 'cancelled', message: 'The guest ended while it was made.', hint: 'Make the plan again.' } as const
    await documents.put(by, [
      { category: planCategory, name: plan.id, value: { ...plan, state: 'failed', branch: '', failure } },
      giveBack('run', plan.id),
    ])
    const branches = await (await versions()).branches()
    const caller = { ...by.caller, user, rights: new Set<string>(), audience: 'runtime', process: '' } as const
    await branches.drop({ ...by, caller, signal: new AbortController().signal }, plan.branch, false).catch(() => {})
  }
  await runs.load()
}

/** Whether calls of a run are made again: a plan is being applied. */
export async function goesOn(documents: Pick<Documents, 'all'>, run: TurnId): Promise<boolean> {
  const all = await documents.all<{ readonly plan?: string; readonly state?: string } | null>(applyCategory)
  return all.some(({ name, value }) => value?.state === 'applying' && turnOf(name) === run)
}

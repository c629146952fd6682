/** Whether a plan still fits: what it was made on is as it was. */
import type { Core } from '../../kernel/index.ts'
import { OxbowError, plural, ownValue } from '../../base/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import type { PlanRecord } from './plan-record.ts'

const maxNamed = 10

/** @param ours the version of the workspace now @throws OxbowError `plan_stale` */
export async function assertCurrentFiles(versioning: OpenVersions['versioning'], plan: PlanRecord, ours: string): Promise<void> {
  const versions = await versioning.versions()
  const { changes } = await versions!.compare({ from: plan.base, to: ours, path: 'shared', text: false, limit: Infinity })
  const { changes: planned } = await versions!.compare({ from: plan.base, to: plan.commit, path: 'shared', text: false, limit: Infinity })
  const own = new Set(planned.map(({ path }) => path))
  const both = changes.filter(({ path }) => own.has(path)).map(({ path, change }) => `/${path} (${change})`)
  if (both.length > 0) throw stale(both)
}

/** @throws OxbowError `plan_stale` where a note, a document or anything else has another version than the plan was made on */
export async function assertCurrentBasis({ registry }: Pick<Core, 'registry'>, { effects }: PlanRecord): Promise<void> {
  const changed: string[] = []
  for (const { call, input, basis } of effects) {
    if (Object.keys(basis).length === 0) continue
    const parsed = await registry.parse(call, input)
    const now = parsed.ok ? ((await parsed.call.basis?.(parsed.input)) ?? {}) : {}
    for (const [place, version] of Object.entries(basis)) if (ownValue(now, place) !== version) changed.push(place)
  }
  if (changed.length > 0) throw stale(changed)
}

function stale(what: readonly string[]): OxbowError {
  const more = what.length > maxNamed ? ` and ${plural(what.length - maxNamed, 'more thing')}` : ''
  return new OxbowError('plan_stale', `Since the plan was made, this has changed: ${what.slice(0, maxNamed).join(', ')}${more}.`, {
    hint: 'Nothing was done. Make the plan again, and look at what it does now.',
    data: { changed: [...what] },
  })
}

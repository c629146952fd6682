/** What services put back of a turn, next to the files: planned by each, committed for all in one transaction of the store. */
import type { CallOf, Core, DocumentChange, Documents, UndoChange, UndoPart, UndoRecord } from '../../../kernel/index.ts'
import { once, type JsonObject } from '../../../base/index.ts'
import { undoDocuments } from '../../undo-documents.ts'
import type { Conflict } from '../version-schemas.ts'

/** How later changes that are in the way are dealt with. */
export type Conflicts = 'stop' | 'keep_later' | 'overwrite'

export interface PlannedPart {
  readonly part: UndoPart
  readonly changes: readonly UndoChange[]
}

/** @returns a function that gives the parts of all services; each is loaded once */
export function loadParts(core: Pick<Core, 'sections'>): () => Promise<readonly UndoPart[]> {
  return once(async () => {
    const all = await Promise.all((core.sections ?? []).map(async (of) => of.undoes?.(core as Core)))
    return all.filter((part) => part !== undefined)
  })
}

export async function planParts(parts: readonly UndoPart[], records: readonly UndoRecord[]): Promise<readonly PlannedPart[]> {
  if (records.length === 0) return []
  return Promise.all(parts.map(async (part) => ({ part, changes: await part.plan(records) })))
}

/** What an undo does of a plan, and what it leaves. */
export interface ChosenChanges {
  readonly planned: readonly PlannedPart[]
  readonly changes: readonly UndoChange[]
  readonly conflicts: readonly Conflict[]
}

export function choose(planned: readonly PlannedPart[], how: Conflicts): ChosenChanges {
  const isLeft = ({ conflict }: UndoChange): boolean => conflict !== undefined && (conflict.final || how !== 'overwrite')
  const all = planned.map(({ part, changes }) => ({
    part,
    changes: changes.filter((one) => changesAny(one) || one.conflict !== undefined),
  }))
  const left = all.flatMap(({ changes }) => changes.filter(isLeft))
  const taken = all.map(({ part, changes }) => ({ part, changes: changes.filter((one) => !isLeft(one)) }))
  const conflicts = left.map(({ path, conflict }) => ({ path, why: conflict!.why }))
  return { planned: taken, changes: taken.flatMap(({ changes }) => changes), conflicts }
}

function changesAny({ documents = [], memory = [], entries = [] }: UndoChange): boolean {
  return documents.length + memory.length + entries.length > 0
}

/** What is as it was planned. */
export function sameChanges(a: readonly UndoChange[], b: readonly UndoChange[]): boolean {
  const facts = (all: readonly UndoChange[]): string =>
    JSON.stringify(all.map(({ path, change, now, restored, conflict }) => [path, change, now, restored, conflict?.why]))
  return facts(a) === facts(b)
}

/** Runs work while no part can be changed by others. */
export function whileAlone<Result>(parts: readonly PlannedPart[], work: () => Promise<Result>): Promise<Result> {
  return parts.reduceRight<() => Promise<Result>>((inner, { part, changes }) => {
    const { alone } = part
    return alone === undefined || changes.length === 0 ? inner : () => alone(inner)
  }, work)()
}

interface Together {
  readonly of: CallOf
  readonly planned: readonly PlannedPart[]
  /** Documents besides. */
  readonly documents: readonly DocumentChange[]
  /** The turns that it takes back. */
  readonly undoes: readonly string[]
}

/** Commits all changes in one record and its transaction, on disk before it resolves. */
export async function commitTogether(documents: Pick<Documents, 'put'>, { of, planned, documents: own, undoes }: Together): Promise<void> {
  const changes = planned.flatMap((one) => one.changes)
  const before = new Map<string, JsonObject[]>()
  for (const change of changes)
    for (const [name, said] of Object.entries(change.before ?? {})) before.set(name, [...(before.get(name) ?? []), said as JsonObject])
  const also = {
    body: { ...Object.fromEntries(before), undoes: [...undoes] },
    entries: changes.flatMap((one) => one.entries ?? []),
    memory: changes.flatMap((one) => one.memory ?? []),
  }
  await documents.put(of, [...changes.flatMap((one) => one.documents ?? []), ...own], { sync: true, also })
  for (const { part, changes: done } of planned) if (done.length > 0) part.done?.(done)
}

/** @returns how saved documents are put back that an undo has changed and now must not have changed */
export async function planState(core: Pick<Core, 'documents' | 'store'>, records: readonly UndoRecord[]): Promise<readonly PlannedPart[]> {
  const categories = new Set(
    records.flatMap(({ body }) => ((body['documents'] ?? []) as readonly { readonly category: string }[]).map(({ category }) => category)),
  )
  const state = [...categories].filter((category) => category.startsWith('state/'))
  const parts = state.map((category) =>
    undoDocuments<object>(core, { category, shown: (_, name) => `/${category}/${name}`, set: (value) => value }),
  )
  return planParts(parts, records)
}

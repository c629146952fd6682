/**
 * What Oxbow makes in a database, and what somebody else has made there: a trigger runs with each write, a view or a rule can stand in
 * place of a table, and without its indexes a table loses the rules that they keep. No check of rows finds any of it.
 */
import { OxbowError } from '../../base/index.ts'

/** As all migrations leave it. */
export interface TableLayout {
  readonly tables: readonly string[]
  readonly indexes: Readonly<Record<string, { readonly table: string; readonly sql: string }>>
}

/** Something in the database that Oxbow never makes. */
export interface ForeignObject {
  readonly kind: string
  readonly name: string
  readonly table: string
}

/** An index that is not as the migrations make it. */
export interface ChangedIndex {
  readonly name: string
  /** How it is made. */
  readonly sql: string
  readonly state: 'missing' | 'changed'
}

const maxNameChars = 60

/** @returns e.g. `a trigger "x" on session` */
function foreignText({ kind, name, table }: ForeignObject): string {
  const shown = JSON.stringify(name.slice(0, maxNameChars))
  return `a ${kind} ${shown}${kind === 'trigger' || kind === 'rule' ? ` on ${table.slice(0, maxNameChars)}` : ''}`
}

/** For an audit. */
export function structureFaults(foreign: readonly ForeignObject[], indexes: readonly ChangedIndex[]): readonly string[] {
  return [
    ...foreign.map((each) => `the database contains ${foreignText(each)}, which Oxbow never creates`),
    ...indexes.map(({ name, state }) => `the index ${name} ${state === 'missing' ? 'is missing' : 'is not the one that Oxbow makes'}`),
  ]
}

/** @param where names the database to a person. @throws OxbowError `store_failed` when there is anything */
export function refuseForeign(where: string, foreign: readonly ForeignObject[]): void {
  const [first, ...others] = foreign
  if (first === undefined) return
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw new OxbowError('store_failed', `${where} contains ${foreignText(first)}${more}, which Oxbow never creates.`, {
    hint: `Somebody else made it, and it may have changed what Oxbow wrote. Keep a copy of the database, run \`oxbow audit verify\`, then restore a backup, or remove it with \`drop ${first.kind}\`.`,
  })
}

/** @throws OxbowError `store_failed`: its rows do not allow it */
export function refuseIndex(where: string, name: string, cause: unknown): never {
  throw new OxbowError('store_failed', `${where} lacks the index ${name}, and its rows do not allow it any more.`, {
    hint: 'Somebody removed it and wrote rows that it refuses. Keep a copy of the database, run `oxbow audit verify`, then restore a backup.',
    cause,
  })
}

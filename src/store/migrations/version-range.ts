/** Decides what this program may do with a database, from the steps that ran in it. */
import { OxbowError } from '../../types/index.ts'
import { type MigrationFacts, migrationFacts } from './migration-facts.ts'

/** A step that ran in a database, as the database tells it. */
export interface AppliedStep {
  readonly id: number
  readonly name: string
  readonly checksum: string
  readonly reads_from: number
  readonly writes_from: number
}

/**
 * `current`: every step has run. `behind`: some have not. `ahead`: a newer program has been here, and this one may still write.
 * `read_only`: it may still read. `too_new`: not even that. `changed`: a step ran that is not the one of this name.
 */
export type SchemaState = 'current' | 'behind' | 'ahead' | 'read_only' | 'too_new' | 'changed'

export interface Schema {
  readonly state: SchemaState
  /** The newest step that ran; 0 in an empty database. */
  readonly version: number
  /** The step that `changed` is about. */
  readonly about?: string
}

/** @param facts the steps that the program knows */
export function judgeSchema(applied: readonly AppliedStep[], facts: readonly MigrationFacts[] = migrationFacts): Schema {
  const version = Math.max(0, ...applied.map(({ id }) => id))
  const program = facts.at(-1)?.id ?? 0
  const known = new Map(facts.map((fact) => [fact.id, fact]))
  const changed = applied.find(({ id, checksum }) => known.has(id) && known.get(id)?.checksum !== checksum)
  const foreign = applied.find(({ id }) => id <= program && !known.has(id))
  const wrong = changed ?? foreign
  if (wrong !== undefined) return { state: 'changed', version, about: `${wrong.id} (${wrong.name})` }
  if (applied.every(({ id }) => known.has(id))) return { state: applied.length === facts.length ? 'current' : 'behind', version }
  if (applied.some((step) => step.reads_from > program)) return { state: 'too_new', version }
  return { state: applied.some((step) => step.writes_from > program) ? 'read_only' : 'ahead', version }
}

/** @returns what a file says that has no table of steps; a number that no such program ever wrote is a step nobody knows. */
export function stepsByNumber(version: number): readonly AppliedStep[] {
  const steps = migrationFacts.filter(({ id }) => id <= Math.min(version, lastNumbered)).map(asApplied)
  if (version <= lastNumbered) return steps
  return [...steps, { id: version, name: 'unknown', checksum: '', reads_from: version, writes_from: version }]
}

/** The last step that was counted by a number alone. */
const lastNumbered = 2

export function asApplied({ id, name, checksum, readsFrom, writesFrom }: MigrationFacts): AppliedStep {
  return { id, name, checksum, reads_from: readsFrom, writes_from: writesFrom }
}

export type Wish = 'read' | 'write'

/**
 * @param where names the database to a person
 * @throws OxbowError `store_failed` with advice, when this program may not do that. A database that is `behind` may be
 * written, after its steps have run.
 */
export function assertUsable({ state, version, about }: Schema, wish: Wish, where: string): void {
  const program = migrationFacts.at(-1)?.id ?? 0
  const refuse = (message: string, hint: string): never => {
    throw new OxbowError('store_failed', message, { hint })
  }
  if (state === 'changed') {
    refuse(
      `In ${where} another step ${about} has run than this Oxbow knows under that name.`,
      'Use the Oxbow that made it, or restore a backup: `oxbow store restore`.',
    )
  }
  if (state === 'too_new') refuse(`${where} has version ${version}; this Oxbow knows ${program}.`, newer)
  if (state === 'read_only' && wish === 'write') {
    refuse(`${where} has version ${version}; this Oxbow knows ${program} and may only read it.`, newer)
  }
  if (state === 'behind' && wish === 'read') {
    refuse(
      `${where} has version ${version}; this Oxbow reads ${program}.`,
      'Start Oxbow once in this workspace, or run `oxbow store migrate`.',
    )
  }
}

const newer = 'Update Oxbow. A newer one has used this store; it can make it fit an older one by `oxbow store migrate --to`.'

import { OxbowError } from '../../base/index.ts'

/**
 * The version of a database: facts about each step of the tables, a line a step, and what this program may do with a database in
 * which some of them have run. This is what a start reads. The statements are in `migration-steps.ts`, which is loaded only when a
 * step has to run.
 *
 * A step that was released is never changed: a new one follows it. Its checksum says so, here and in every database in which it has
 * run; `migration-steps.test.ts` prints the right one for a new step.
 */

export interface MigrationFacts {
  readonly id: number
  readonly name: string
  /** Rewrites existing rows: the database is copied first. */
  readonly rewrites: boolean
  /** The oldest program, by the newest step that it knows, that understands a database with this step, and may write to it. */
  readonly readsFrom: number
  readonly writesFrom: number
  /** SHA-256 of all its statements, both ways and in both dialects; see `checksumOf`. */
  readonly checksum: string
}

const step = (
  id: number,
  name: string,
  [readsFrom, writesFrom]: readonly [number, number],
  checksum: string,
  rewrites = false,
): MigrationFacts => ({ id, name, rewrites, readsFrom, writesFrom, checksum })

/** In order. */
export const migrationFacts: readonly MigrationFacts[] = [
  step(1, 'journal', [1, 1], 'ec7e8eca02b041ecf7ce6bb06c6c093c0cf521e04141334931229538bf479175'),
  step(2, 'scratchpad', [1, 1], 'cc903688d64a7a1041ae0f99de4bbf7353b489461fd292280819e2ae202b09a1'),
  step(3, 'memory', [1, 1], '339026feec467fbabc8c70540bd2ab50f5195fb68c85b4606583b617c20da8c5'),
  step(4, 'sessions', [1, 1], 'c9c302279926e17e3d5a9c4d64c482e11e25ae807a2a7a7a47b760aaca175a8f'),
  step(5, 'secrets-zoey', [1, 1], 'dbc406705f20724bed7489b0fbeb1f3b8353ae5d4d130ab3a1f6ba4c699cf738'),
  // Programs before it look for blobs without saying whose.
  step(6, 'blob-owner', [6, 6], 'fa4a851ee7c6b68bd9e0b83c14752ddc468c970d471bdb33c1323e593225026b', true),
  // Programs before it take the new form of vectors for damage.
  step(7, 'smaller-vectors', [7, 7], '2e3b140ad76951775748318baa5010f7006a2e459ad50a66c8e21a8fce4a4e11'),
  // Programs before it take words that have no rows yet for no words, and leave vectors in indexes.
  step(8, 'near-index', [8, 8], 'c3742e710ebed1de037f5a89c63223b6cc5281f747a8c8d2534ad923bdee8694'),
  // Programs before it would leave documents as they were where a newer one changed them.
  step(9, 'documents', [8, 9], '5807fcba78c18a2517e31b87c32698b07688e1aa90b49a15dced516df2475142'),
  // Programs before it would not count what a newer one's budgets limit.
  step(10, 'budgets', [8, 10], '34d205842d03afa2e5e19f13cff6d5320f2320088791f694ce46d4a3a56c1958'),
  step(11, 'hot-entries', [8, 10], 'e8aed04ca456952545dc405d996f4cd093ddd2526c340d2673ba4335bc1313e7'),
  step(12, 'journal-by-seq', [8, 10], 'e1c142135741ce8fe641feef55fbfd761d914e8f463b3c7b305ce8de57ce03ce', true),
  step(13, 'label-origins', [8, 10], '54ebbc8ba25188be62b34a18b24ca26cbeeac648ad96dd2aa223fc2f3edd96eb'),
  // Programs before it stop at a second end of a call instead of writing it.
  step(14, 'once', [8, 10], 'fe5570e09ebf24d4184e354b555ec47e1f9a78d132460185dd24c379b88a39cc'),
  // Programs before it would change memory without telling the journal.
  step(15, 'memory-marks', [8, 15], '1a04ca6bc512b19adc2366c835498ceb4685ea7842203226ff8888689e30d944'),
  // Programs before it look for words in an index that is gone.
  step(16, 'words-in-memory', [16, 16], '4cfcc86f0992263b7a362dec7e62f9da5906bcbc07a113524c66c411c3dcd774'),
  // Programs before it take packed values for damage.
  step(17, 'packed-values', [17, 17], 'c703d574608f4c080a2daab2cf7ac8959565b7f29fa00f579bd02a94c8dd9ab5'),
  step(18, 'memory-by-number', [17, 17], '14a66d8e24a033e8ca1e0c205e43e8d36d0fea60747c1116788adba75e88d0f8', true),
]

/** The version of a database in which every step has run. */
export const newestStep: number = migrationFacts.at(-1)?.id ?? 0

/** A step that ran in a database, as recorded there. */
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
type SchemaState = 'current' | 'behind' | 'ahead' | 'read_only' | 'too_new' | 'changed'

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
  const byId = new Map(facts.map((fact) => [fact.id, fact]))
  const changed = applied.find(({ id, checksum }) => byId.has(id) && byId.get(id)?.checksum !== checksum)
  const foreign = applied.find(({ id }) => id <= program && !byId.has(id))
  const wrong = changed ?? foreign
  if (wrong !== undefined) return { state: 'changed', version, about: `${wrong.id} (${wrong.name})` }
  if (applied.every(({ id }) => byId.has(id))) return { state: applied.length === facts.length ? 'current' : 'behind', version }
  if (applied.some((ran) => ran.reads_from > program)) return { state: 'too_new', version }
  return { state: applied.some((ran) => ran.writes_from > program) ? 'read_only' : 'ahead', version }
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

type Wish = 'read' | 'write'

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
      `${where} has a step ${about} that differs from this Oxbow's.`,
      'Use the version of Oxbow that made it, or restore a backup: `oxbow restore`.',
    )
  }
  if (state === 'too_new') refuse(`${where} has version ${version}; this Oxbow supports up to ${program}.`, newer)
  if (state === 'read_only' && wish === 'write') {
    refuse(`${where} has version ${version}; this Oxbow supports up to ${program} and may only read it.`, newer)
  }
  if (state === 'behind' && wish === 'read') {
    refuse(
      `${where} has version ${version}; this Oxbow reads ${program}.`,
      'Start Oxbow once in this workspace, or run `oxbow store migrate`.',
    )
  }
}

const newer = 'Update Oxbow: a newer version has used this store. That version can migrate it back with `oxbow store migrate --to`.'

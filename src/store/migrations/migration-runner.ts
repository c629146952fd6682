/**
 * Brings the tables of a database to a version: all steps in one transaction, under a lock. What runs is decided again under the lock:
 * of two programs that start on an empty database the second finds the work done.
 */
import assert from 'node:assert/strict'
import { OxbowError } from '../../base/index.ts'
import type { Dialect } from '../sql/user-tables.ts'
import {
  type AppliedStep,
  asApplied,
  assertUsable,
  judgeSchema,
  type MigrationFacts,
  migrationFacts,
  newestStep,
  stepsByNumber,
} from './schema-version.ts'
import texts from './statements.json' with { type: 'json' }

/** One connection to the database. Failures may be thrown as the driver has them. */
export interface MigrationDriver {
  readonly dialect: Dialect
  /** Names the database to a person, without a password. */
  readonly where: string
  exec(sql: string): Promise<void>
  /** Rows as objects; whole numbers as numbers. */
  query<Row>(sql: string): Promise<readonly Row[]>
  /** Commits what `work` did through `exec` and `query`, or nothing of it. In SQLite it holds the write lock from its start. */
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
  /** Copies the database first; null where only a person can. */
  readonly copy: ((name: string) => Promise<string>) | null
}

export interface MigrateOptions {
  /** Default: the newest step that this program knows. Lower ones take steps back. */
  readonly to?: number
  /** Runs steps that rewrite rows although no copy can be made: the person has one. */
  readonly withoutCopy?: boolean
  /** Unix milliseconds. */
  readonly now: () => number
}

export interface MigrationReport {
  readonly from: number
  readonly to: number
  /** Steps that ran, in their order; `-` before those that were taken back. */
  readonly steps: readonly string[]
  /** Path of the copy that was made first. */
  readonly copy: string | null
}

/** Postgres: key of the advisory lock of migrations; "oxbow" as a number, to avoid collisions. */
const lockKey = 0x6f78_626f_77

/** @returns the steps that ran in a database, in order; reads two small things, or one where the tables are up to date. */
export async function appliedSteps(driver: MigrationDriver): Promise<readonly AppliedStep[]> {
  // Asked in one statement: between two, another program that starts on the same empty file makes the tables.
  const [row] = await driver.query<{ found: number; version: number }>(
    driver.dialect === 'sqlite'
      ? `select count(*) as found, (select user_version from pragma_user_version) as version from sqlite_master where type = 'table' and name = 'migration'`
      : `select count(*)::int as found, 0 as version from pg_class where oid = to_regclass('migration')`,
  )
  if (row?.found === 1) {
    const columns = 'id, name, checksum, reads_from, writes_from'
    return driver.query<AppliedStep>(`select ${columns} from migration order by id`)
  }
  // Older files have only a version number.
  return stepsByNumber(row?.version ?? 0)
}

/**
 * Does nothing when the tables are there.
 * @throws OxbowError `store_failed` for a database that this program may not write; `bad_input` for an unknown version, or
 * when a person must make a copy first. Then nothing was changed.
 */
export async function migrate(driver: MigrationDriver, options: MigrateOptions): Promise<MigrationReport> {
  const target = options.to ?? newestStep
  const before = await plan(driver, target, options.to === undefined)
  if (before.length === 0) return { from: before.version, to: before.version, steps: [], copy: null }
  const copy = await keepCopy(driver, before, options)
  const done = await driver.transaction(async () => {
    if (driver.dialect === 'postgres') await driver.exec(`select pg_advisory_xact_lock(${lockKey})`)
    const work = await plan(driver, target, options.to === undefined)
    if (work.length > 0) await run(driver, work, options.now())
    return work
  })
  return { from: done.version, to: done.length === 0 ? done.version : target, steps: done.names, copy }
}

/** @returns what `migrate` would do. */
export async function plannedSteps(driver: MigrationDriver, to: number = newestStep): Promise<readonly string[]> {
  return (await plan(driver, to, false)).names
}

interface Plan {
  readonly version: number
  readonly applied: readonly AppliedStep[]
  readonly ups: readonly MigrationFacts[]
  readonly downs: readonly MigrationFacts[]
  readonly length: number
  readonly names: readonly string[]
}

async function plan(driver: MigrationDriver, to: number, upOnly: boolean): Promise<Plan> {
  const applied = await appliedSteps(driver)
  const schema = judgeSchema(applied)
  assertUsable(schema, 'write', driver.where)
  if (!migrationFacts.some(({ id }) => id === to)) {
    throw new OxbowError('bad_input', `There is no version ${to}.`, {
      hint: `Versions are ${migrationFacts.map(({ id }) => id).join(', ')}.`,
    })
  }
  const ran = new Set(applied.map(({ id }) => id))
  const ups = migrationFacts.filter(({ id }) => id <= to && !ran.has(id))
  const downs = upOnly ? [] : migrationFacts.filter(({ id }) => id > to && ran.has(id)).toReversed()
  const names = [...downs.map(({ id, name }) => `-${id} ${name}`), ...ups.map(({ id, name }) => `${id} ${name}`)]
  return { version: schema.version, applied, ups, downs, length: names.length, names }
}

/** Only where there is something to lose. */
async function keepCopy(driver: MigrationDriver, { applied, version, ups, downs }: Plan, options: MigrateOptions): Promise<string | null> {
  const rewrites = [...ups, ...downs].find((step) => step.rewrites && textOf(driver.dialect, step.id).up.length > 0)
  if (applied.length === 0 || rewrites === undefined || options.withoutCopy === true) return null
  if (driver.copy !== null) return driver.copy(`before-${rewrites.id}-of-${version}`)
  throw new OxbowError('bad_input', `Step ${rewrites.id} (${rewrites.name}) rewrites rows of ${driver.where}.`, {
    hint: 'Make a dump first (`pg_dump`, or `oxbow backup`), then run `oxbow store migrate --yes`.',
  })
}

async function run(driver: MigrationDriver, { applied, ups, downs }: Plan, now: number): Promise<void> {
  await driver.exec(texts[driver.dialect].table)
  // Steps of a file that had only a version number are recorded too.
  for (const step of applied) await driver.exec(rowOf(step, now))
  for (const { id } of downs) {
    for (const statement of textOf(driver.dialect, id).down) await driver.exec(statement)
    await driver.exec(`delete from migration where id = ${id}`)
  }
  for (const facts of ups) {
    for (const statement of textOf(driver.dialect, facts.id).up) await driver.exec(statement)
    await driver.exec(rowOf(asApplied(facts), now))
  }
  if (driver.dialect === 'sqlite') {
    await driver.exec(`pragma user_version = ${Math.max(0, ...(await appliedSteps(driver)).map(({ id }) => id))}`)
  }
}

function textOf(dialect: Dialect, id: number): Readonly<Record<'up' | 'down', readonly string[]>> {
  const step = texts[dialect].steps.find((known) => known.id === id)
  assert(step !== undefined, `step ${id} has statements`)
  return step
}

/** Names and checksums are constants of this program, so they need no quoting. */
function rowOf({ id, name, checksum, reads_from: reads, writes_from: writes }: AppliedStep, now: number): string {
  const columns = 'id, name, applied_at, checksum, reads_from, writes_from'
  return `insert into migration (${columns}) values (${id}, '${name}', ${now}, '${checksum}', ${reads}, ${writes}) on conflict do nothing`
}

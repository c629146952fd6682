/**
 * The entry points to upkeep, keys and secrets, and the Zoey adapter. Each is loaded on first use: a guest that only serves needs none.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { KeyQuestion, KeyReport, StoreQuestion } from '../../config/index.ts'
import type { KeyDeps } from '../secrets/answer-keys.ts'
import type { ZoeyAdapter, ZoeyOptions } from '../zoey/zoey-adapter.ts'
import type { ZoeyPlace, ZoeyThread } from '../zoey/zoey-thread.ts'
import type { StorePlace, UpkeepDeps } from './connection.ts'

type Answers = { readonly [Ask in StoreQuestion['ask']]: (question: StoreQuestion & { ask: Ask }, deps: UpkeepDeps) => Promise<object> }

const answers: Answers = {
  status: async (_, deps) => (await import('./store-care.ts')).storeStatus(deps),
  migrate: async (question, deps) => (await import('./store-care.ts')).migrateStore(deps, question),
  vacuum: async (_, deps) => (await import('./store-care.ts')).vacuumStore(deps),
  verify: async (_, deps) => (await import('./store-check.ts')).verifyStore(deps),
  backup: async (question, deps) => (await import('../transfer/store-backup.ts')).backupStore(deps, question),
  restore: async (question, deps) => (await import('../transfer/store-restore.ts')).restoreStore(deps, question),
  shared_budgets: async (question, deps) => (await import('./shared-budget-care.ts')).answerSharedBudgets(deps, question.change),
  move: async (question, deps) => (await import('../transfer/store-move.ts')).moveStore(deps, question),
}

/** @returns the report of an `oxbow store` verb; see config/guest.ts */
export async function answerStore(question: StoreQuestion, deps: UpkeepDeps): Promise<object> {
  await finishRestore(deps.place)
  const answer: (question: never, deps: UpkeepDeps) => Promise<object> = answers[question.ask]
  return answer(question as never, deps)
}

function planFile({ file }: StorePlace): string {
  return join(dirname(file), 'restore-plan.json')
}

/** Finishes or undoes an interrupted restore; without one, this costs a check for a file. */
async function finishRestore(place: StorePlace): Promise<void> {
  if (!existsSync(planFile(place))) return
  await (await import('../transfer/workspace-files.ts')).finishRestore(place)
}

/**
 * Call before a guest opens its store: finishes a restore that was interrupted, and refuses a file whose store was moved away, or a database
 * while the store is in the file still.
 * @param seesFolders false in an isolated guest, which cannot put folders of the workspace in place
 * @throws OxbowError `bad_config` for such a file, or a restore that this guest cannot finish
 */
export async function prepareStore(place: StorePlace, seesFolders = true): Promise<void> {
  if (!seesFolders && existsSync(planFile(place))) {
    throw new OxbowError('bad_config', 'A restore of this workspace was interrupted, and an isolated guest cannot finish it.', {
      hint: 'Run `oxbow store status`: it finishes the restore first.',
    })
  }
  await finishRestore(place)
  if (existsSync(`${place.file}.moved`)) (await import('../transfer/store-move.ts')).checkMoved(place)
  else if (place.url !== '' && existsSync(place.file)) await (await import('../transfer/store-move.ts')).checkLeft(place)
}

export async function answerKeys(question: KeyQuestion, deps: KeyDeps): Promise<KeyReport> {
  return (await import('../secrets/answer-keys.ts')).answerKeys(question, deps)
}

/** @returns values of stored secrets by name; what opens them is loaded with the first question */
export async function storedSecrets(required: readonly string[], deps: KeyDeps): Promise<Readonly<Record<string, string>>> {
  return (await import('../secrets/answer-keys.ts')).storedSecrets(required, deps)
}

export async function sealSecrets(changes: ReadonlyMap<string, string | null>, deps: KeyDeps): Promise<void> {
  return (await import('../secrets/answer-keys.ts')).sealSecrets(changes, deps)
}

/** @public for plugins that bring ZoeyOS data */
export async function openZoeyAdapter(options: ZoeyOptions): Promise<ZoeyAdapter> {
  return (await import('../zoey/zoey-adapter.ts')).openZoeyAdapter(options)
}

/** What plugins keep in a guest that runs. */
export async function openZoeyThread(place: ZoeyPlace): Promise<ZoeyThread> {
  return (await import('../zoey/zoey-thread.ts')).openZoeyThread(place)
}

/** Names of methods that read what plugins keep, and of those that change it. */
export async function zoeyMethods(): Promise<{ readonly reads: readonly string[]; readonly changes: readonly string[] }> {
  const { zoeyChanges, zoeyReads } = await import('../zoey/zoey-requests.ts')
  return { reads: zoeyReads, changes: zoeyChanges }
}

/** The thread of the versions: everything that reads or writes the repository, one question after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Failure, once, type ThreadAnswer, type ThreadQuestion, toFailure } from '../../../base/index.ts'
import { type Checkpoints, createCheckpoints, files, treeName } from './checkpoint.ts'
import {
  archivePiece,
  compare,
  firstOf,
  hashesIn,
  largeIn,
  listLog,
  nearestFile,
  resolveVersion,
  rootOf,
  showFile,
  taggedIn,
} from './history.ts'
import { createLargeFiles, type LargeFiles, openRepository, type Repository, folderMode } from '../../../repository/index.ts'
import type { FilesPlace } from '../../../store/index.ts'
import { createOverlayCheckpoint } from './overlay-checkpoint.ts'
import { mergeTrees } from './merge-trees.ts'
import type { KeptVersions } from './kept-versions.ts'
import { ignoredBy, leftOutBy } from './left-out.ts'
import { listTurns, undoTurn } from './undo-turn.ts'
import { createVerifier } from './verify-versions.ts'
import type { VersionAnswers, VersionQuestion } from './version-questions.ts'

interface Opened {
  readonly folder: string
  readonly repository: () => Promise<Repository>
  readonly large: LargeFiles
  /** Null outside of a cluster. */
  readonly kept: KeptVersions | null
}

interface ThreadData {
  readonly folder: string
  /** Of a cluster, where the versions are kept. */
  readonly place?: FilesPlace | undefined
}

async function createAnswers({ folder, place }: ThreadData): Promise<VersionAnswers> {
  const repository = once(() => openRepository(folder, { joins: place === undefined }))
  const large = createLargeFiles(folder)
  const kept = place === undefined ? null : (await import('./kept-versions.ts')).createKeptVersions({ folder, place, repository, large })
  const opened: Opened = { folder, repository, large, kept }
  return { ...checkpointAnswers(opened), ...pastAnswers(opened), ...changeAnswers(opened) }
}

type CheckpointQuestion = 'begin' | 'point' | 'match' | 'put' | 'commit' | 'keep' | 'large' | 'extras' | 'forget' | TakeoverQuestion
type TakeoverQuestion = 'newest' | 'fetchAll' | 'takeOver' | 'took'

function checkpointAnswers({ folder, repository, large, kept }: Opened): Pick<VersionAnswers, CheckpointQuestion> {
  const ofBranches = new Map<string, Promise<Checkpoints>>()
  const checkpoints = (branch: string): Promise<Checkpoints> => {
    let found = ofBranches.get(branch)
    if (found === undefined) ofBranches.set(branch, (found = repository().then((one) => createCheckpoints(folder, one, branch))))
    return found
  }
  return {
    async begin({ branch, whole, except, over }) {
      if (over === undefined) return (await checkpoints(branch)).begin(whole, except)
      const opened = await repository()
      // What another checkpoint has begun and not committed.
      opened.drop()
      const made = createOverlayCheckpoint(opened, branch, over.commit, over.changes)
      ofBranches.set(branch, made)
      await made
    },
    async point({ branch, commit }) {
      ;(await repository()).point(branch, commit)
      await kept?.push(true)
    },
    match: async ({ branch, entries }) => (await checkpoints(branch)).match(entries),
    put: async ({ branch, paths, files: collected, content }) =>
      (await checkpoints(branch)).put(paths, collected, Buffer.from(content.buffer, content.byteOffset, content.byteLength)),
    async commit({ branch, facts, state, always, isKept }) {
      const committed = await (await checkpoints(branch)).commit(facts, state, always)
      if (isKept) await kept?.push(branch !== '' && committed.changed)
      return committed
    },
    async keep({ last }) {
      for (const one of ofBranches.values()) (await one).keep()
      await kept?.push()
      if (!last) await kept?.tidy()
    },
    async large({ branch, path, stamp, executable, offset, content, end }) {
      const pointer = end === 'none' ? null : large.take({ offset, content, last: end === 'last' })
      if (end !== 'more') (await checkpoints(branch)).putPointer(path, pointer, { stamp, executable })
    },
    // In a cluster repositories are no exceptions.
    extras: async ({ ignore }) => (await checkpoints('')).extras(kept === null ? leftOutBy(ignore) : ignoredBy(ignore)),
    async forget({ branch }) {
      ;(await checkpoints(branch)).forget()
      ofBranches.delete(branch)
      ;(await repository()).remove(branch)
      await kept?.push(true)
    },
    newest: async () => kept?.newest() ?? { is: 'none' },
    async fetchAll() {
      ofBranches.clear()
      await kept!.fetch(true)
    },
    async takeOver(ask) {
      ;(await checkpoints('')).keep()
      ofBranches.clear()
      return (await import('./take-over.ts')).planTakeover({ folder, repository: await repository(), large, kept: kept! }, ask)
    },
    async took(takeover) {
      ;(await repository()).point('', takeover.commit)
      await kept!.took(takeover.newest)
      await kept!.push()
    },
  }
}

/** Commits and names that are made of what versions have. */
function changeAnswers({ repository, large, kept }: Opened): Pick<VersionAnswers, 'merge' | 'undo' | 'tag'> {
  /** Another node may have to finish what begins with it. */
  const pushed = async <Made>(made: Made): Promise<Made> => {
    await kept?.push(true)
    return made
  }
  return {
    merge: async (ask) => pushed(await mergeTrees(await repository(), large, ask)),
    undo: async (ask) => pushed(await undoTurn(await repository(), large, ask)),
    async tag({ tag, at, message, author, time }) {
      const opened = await repository()
      const commit = await resolveVersion(opened, at)
      opened.tag(tag, commit, message, author, time)
      return pushed({ commit })
    },
  }
}

/** What changes nothing. */
function pastAnswers({ repository, large }: Opened): Omit<VersionAnswers, CheckpointQuestion | 'merge' | 'undo' | 'tag'> {
  const verifier = createVerifier(repository)
  return {
    verify: async ({ begin }) => verifier.step(begin),
    turns: async ({ limit }) => listTurns(await repository(), limit),
    largeIn: async ({ commit, paths }) => largeIn(await repository(), large, commit, paths),
    hashes: async ({ commit, paths }) => hashesIn(await repository(), large, commit, paths),
    largePiece: async ({ sha256, offset, maxBytes }) => large.read(sha256, offset, maxBytes),
    async unversioned({ paths }) {
      const opened = await repository()
      const head = opened.head()
      const none: string[] = []
      for (const path of head === null ? [] : paths) {
        const entry = await rootOf(opened, head, `${files}/${treeName(path)}`)
        if (entry !== null && entry.mode !== folderMode && large.pointerOf(await opened.blob(entry.oid))?.kind === 'none') none.push(path)
      }
      return none
    },
    head: async ({ branch }) => (await repository()).head(branch),
    resolve: async ({ at }) => resolveVersion(await repository(), at),
    async log({ from, ...asked }) {
      const opened = await repository()
      if (from === 'HEAD' && opened.head() === null) return []
      return listLog(opened, await resolveVersion(opened, from), asked)
    },
    async compare({ from, to, path, text, limit }) {
      const opened = await repository()
      const newer = await resolveVersion(opened, to)
      const before = async (): Promise<string | null> => (await firstOf(opened, newer, await taggedIn(opened))).parents[0] ?? null
      const older = from === null ? null : from === '' ? await before() : await resolveVersion(opened, from)
      return compare(opened, { from: older, to: newer, path, text, limit })
    },
    async has({ at, path }) {
      const opened = await repository()
      return (await rootOf(opened, await resolveVersion(opened, at), path)) !== null
    },
    nearest: async ({ at, path }) => {
      const opened = await repository()
      return nearestFile(opened, await resolveVersion(opened, at), path)
    },
    async show({ at, path }) {
      const opened = await repository()
      const commit = await resolveVersion(opened, at)
      return { commit, ...(await showFile(opened, large, commit, path)) }
    },
    async archive({ commit, base, paths, maxBytes }) {
      return archivePiece(await repository(), commit, base, paths, maxBytes)
    },
  }
}

/** A disk without space is no bug. */
function failureOf(error: unknown): Failure {
  const isFull = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
  if (!isFull) return toFailure(error, 'internal_failure', 'Please report it.')
  const hint = 'Free some space on the disk. What was changed meanwhile is in the next version.'
  return { code: 'limit_reached', message: 'No space is left for a version of the files.', hint }
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const answers = createAnswers(workerData as ThreadData)
  answers.catch(() => {})
  const reply = (answer: ThreadAnswer<unknown>): void => port.postMessage(answer, [])
  let queue: Promise<unknown> = Promise.resolve()
  port.on('message', ([id, question]: ThreadQuestion<VersionQuestion>) => {
    queue = queue
      .then(async (): Promise<unknown> => (await answers)[question.name](question as never))
      .then(
        (result) => reply([id, null, result]),
        (error: unknown) => reply([id, failureOf(error), null]),
      )
  })
}

serve()

/** The thread of the versions: everything that reads or writes the repository, one question after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { once, type ThreadAnswer, type ThreadQuestion, toFailure } from '../../types/index.ts'
import { type Checkpoints, createCheckpoints } from './checkpoint.ts'
import { archivePiece, compare, listLog, showFile } from './history.ts'
import { mergeTrees } from './merge-trees.ts'
import { openRepository } from './repository.ts'
import type { VersionAnswers, VersionQuestion } from './versions.ts'

function createAnswers(folder: string): VersionAnswers {
  const repository = once(() => openRepository(folder))
  const ofBranches = new Map<string, Promise<Checkpoints>>()
  const checkpoints = (branch: string): Promise<Checkpoints> => {
    let found = ofBranches.get(branch)
    if (found === undefined) ofBranches.set(branch, (found = repository().then((one) => createCheckpoints(folder, one, branch))))
    return found
  }
  return {
    begin: async ({ branch, whole }) => (await checkpoints(branch)).begin(whole),
    match: async ({ branch, entries }) => (await checkpoints(branch)).match(entries),
    put: async ({ branch, paths, files, content }) =>
      (await checkpoints(branch)).put(paths, files, Buffer.from(content.buffer, content.byteOffset, content.byteLength)),
    commit: async ({ branch, facts, state }) => (await checkpoints(branch)).commit(facts, state),
    merge: async (ask) => mergeTrees(await repository(), ask),
    async forget({ branch }) {
      ;(await checkpoints(branch)).forget()
      ofBranches.delete(branch)
      ;(await repository()).remove(branch)
    },
    async tag({ tag, at, message, author, time }) {
      const opened = await repository()
      const commit = await opened.resolve(at)
      opened.tag(tag, commit, message, author, time)
      return { commit }
    },
    resolve: async ({ at }) => (await repository()).resolve(at),
    async log({ from, path, limit }) {
      const opened = await repository()
      if (from === 'HEAD' && opened.head() === null) return []
      return listLog(opened, await opened.resolve(from), path, limit)
    },
    async compare({ from, to, path, text, limit }) {
      const opened = await repository()
      const newer = await opened.resolve(to)
      const older = from === '' ? ((await opened.commitFacts(newer)).parents[0] ?? null) : await opened.resolve(from)
      return compare(opened, { from: older, to: newer, path, text, limit })
    },
    async show({ at, path }) {
      const opened = await repository()
      const commit = await opened.resolve(at)
      return { commit, ...(await showFile(opened, commit, path)) }
    },
    async archive({ commit, base, paths, maxBytes }) {
      return archivePiece(await repository(), commit, base, paths, maxBytes)
    },
  }
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const answers = createAnswers((workerData as { readonly folder: string }).folder)
  const reply = (answer: ThreadAnswer<unknown>): void => port.postMessage(answer, [])
  let queue: Promise<unknown> = Promise.resolve()
  port.on('message', ([id, question]: ThreadQuestion<VersionQuestion>) => {
    queue = queue
      .then((): Promise<unknown> => answers[question.name](question as never))
      .then(
        (result) => reply([id, null, result]),
        (error: unknown) => reply([id, toFailure(error, 'internal_failure', 'Please report it.'), null]),
      )
  })
}

serve()

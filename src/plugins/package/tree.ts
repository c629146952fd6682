/**
 * The files of a package, and one hash over all of them: SHA-256 over the lines `path NUL kind NUL hash`, sorted by path. It is what a person
 * approves and a signature covers, and what is checked each time a host starts. A link must stay in its folder; anything else than
 * files, folders and such links is refused.
 *
 * Large packages are read in a thread that ends with its answer, so that turns go on meanwhile.
 */
import type { Worker } from 'node:worker_threads'
import { type Failure, OxbowError, toError } from '../../base/index.ts'
import { findFiles, hashFiles, hashOfFiles, type TreeFile, type TreeLimits } from './tree-files.ts'

export { hashOf, hashOfFiles, type TreeFile } from './tree-files.ts'

/** Packages up to this size are read on this thread: in a millisecond or two, where a thread takes 30 to start. */
const fewFiles: TreeLimits = { files: 64, bytes: 1024 * 1024 }

/** @throws OxbowError `path_refused` or `limit_reached` */
export async function listTree(folder: string): Promise<readonly TreeFile[]> {
  const few = findFiles(folder, fewFiles)
  if (few !== null) return hashFiles(folder, few.files)
  const { files } = await inThread({ folder, unless: null, lists: true })
  return files
}

/** @returns the hash over all files of a folder, which approvals and lock files name */
export async function treeHash(folder: string): Promise<string> {
  return hashOfFiles(await listTree(folder))
}

export interface TreeCheck {
  /** @throws OxbowError `denied` if the files of a folder do not match the hash */
  check(folder: string, hash: string): Promise<void>
}

interface Checked {
  readonly hash: string
  readonly stamp: string
}

/**
 * Reads the files again only if their times, sizes or inodes have changed since the last check by this object. Nothing but the kernel sets the
 * time of change (`ctime`), so that whoever writes a file, even in place, is noticed; what the disk itself changes is found by the next guest.
 */
export function createTreeCheck(): TreeCheck {
  const checked = new Map<string, Checked>()
  return {
    async check(folder, hash) {
      const last = checked.get(folder)
      const now = await hashUnless(folder, last?.hash === hash ? last : null)
      if (now.hash !== hash)
        throw new OxbowError('denied', `The files in ${folder} are not those that were approved.`, {
          hint: 'Install the plugin again: oxbow plugin verify shows what has changed, and oxbow plugin add replaces it.',
          data: { expected: hash, actual: now.hash },
        })
      checked.set(folder, now)
    },
  }
}

/** @returns `last` itself while its stamp holds */
async function hashUnless(folder: string, last: Checked | null): Promise<Checked> {
  const few = findFiles(folder, fewFiles)
  if (few !== null) return few.stamp === last?.stamp ? last : { hash: hashOfFiles(hashFiles(folder, few.files)), stamp: few.stamp }
  const { stamp, hash } = await inThread({ folder, unless: last?.stamp ?? null, lists: false })
  return stamp === last?.stamp ? last : { stamp, hash }
}

export interface TreeQuestion {
  readonly folder: string
  /** Nothing is hashed if the tree still has this stamp. */
  readonly unless: string | null
  /** Whether the files are wanted, not only their hash. */
  readonly lists: boolean
}

export interface FoundHash {
  readonly stamp: string
  /** Empty if the stamp is the question's. */
  readonly hash: string
  readonly files: readonly TreeFile[]
}

export type TreeAnswer = { readonly ok: FoundHash } | { readonly failure: Failure }

/** @throws OxbowError as `listTree`, or `internal_failure` when the thread fails */
async function inThread(question: TreeQuestion): Promise<FoundHash> {
  const answered = Promise.withResolvers<TreeAnswer>()
  const worker = startWorker(question)
  worker.once('message', answered.resolve)
  worker.once('error', answered.reject)
  worker.once('exit', () => answered.reject(new Error('the thread that reads packages ended early')))
  try {
    const answer = await answered.promise
    if ('failure' in answer) throw toError(answer.failure)
    return answer.ok
  } finally {
    await worker.terminate()
  }
}

function startWorker(question: TreeQuestion): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // tree-worker.ts is next to this file in the sources, tree-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './tree-worker.ts' : './tree-worker.js'
  return new Worker(new URL(file, import.meta.url), { workerData: question, env: {}, execArgv: [], name: 'oxbow-tree' })
}

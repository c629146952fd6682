/**
 * Checks everything that the versions lead to: each commit, folder and file of the workspace's line and of tags is read from the disk and
 * compared with its id. It goes in steps, so that a commit never waits for it.
 */
import { isOxbowError } from '../../../base/index.ts'
import { folderMode, type Repository } from '../../../repository/index.ts'
import { maxVersionProblems, verifyStepMs } from '../limits.ts'
import type { VerifiedVersions } from '../version-schemas.ts'

/** How far a check has come. */
export type VerifyStep = VerifiedVersions & { readonly done: boolean }

export interface Verifier {
  /** @param begin anew */
  step(begin: boolean): Promise<VerifyStep>
}

export function createVerifier(repository: () => Promise<Repository>): Verifier {
  let walk: AsyncGenerator<void> | null = null
  let found = { commits: 0, objects: 0, problems: [] as string[] }
  return {
    async step(begin) {
      if (begin || walk === null) {
        found = { commits: 0, objects: 0, problems: [] }
        walk = walkAll(await repository(), found)
      }
      const until = performance.now() + verifyStepMs
      let isDone = false
      while (!isDone && performance.now() < until) isDone = (await walk.next()).done === true
      if (isDone) walk = null
      return { ...found, problems: [...found.problems], ok: found.problems.length === 0, done: isDone }
    },
  }
}

type Found = { commits: number; objects: number; readonly problems: string[] }

/** Yields after each object. */
async function* walkAll(repository: Repository, found: Found): AsyncGenerator<void> {
  // What is held in memory says nothing about the disk.
  repository.reread()
  const seen = new Set<string>()
  const attempt = async <Value>(read: () => Promise<Value>): Promise<Value | null> => {
    try {
      return await read()
    } catch (error) {
      if (!isOxbowError(error)) throw error
      if (found.problems.length < maxVersionProblems) found.problems.push(error.message)
      return null
    }
  }
  const isNew = (oid: string): boolean => {
    if (seen.has(oid)) return false
    seen.add(oid)
    found.objects += 1
    return true
  }
  const tags = (await attempt(() => repository.tags())) ?? []
  const head = await attempt(async () => repository.head())
  const commits = [...(head === null ? [] : [head]), ...tags.map(({ commit }) => commit)]
  const trees: string[] = []
  for (let oid = commits.pop(); oid !== undefined; oid = commits.pop()) {
    if (!isNew(oid)) continue
    const of = oid
    const facts = await attempt(() => repository.commitFacts(of))
    if (facts !== null) {
      found.commits += 1
      commits.push(...facts.parents)
      trees.push(facts.tree)
    }
    yield
  }
  for (let oid = trees.pop(); oid !== undefined; oid = trees.pop()) {
    if (!isNew(oid)) continue
    const of = oid
    for (const entry of (await attempt(() => repository.tree(of))) ?? []) {
      if (entry.mode === folderMode) trees.push(entry.oid)
      else if (isNew(entry.oid)) {
        await attempt(() => repository.blob(entry.oid))
        yield
      }
    }
    yield
  }
}

/**
 * Files of a repository from which git runs programs. A sandbox must not write them, because a person may run git in the workspace:
 * hands refuse them in file calls, the kernel skips them when it copies files from a machine's disk.
 */

/**
 * Names, in lower case, inside `.git` and inside a bare repository. `commondir` points to another folder that has the first three; the
 * last three hold the commands that git runs when it continues a rebase.
 */
export const gitRuns: ReadonlySet<string> = new Set('hooks config config.worktree commondir rebase-merge rebase-apply sequencer'.split(' '))

/** @param has whether the folder has an entry of that name @returns whether git treats the folder itself as a repository */
export function isBareRepository(has: (name: string) => boolean): boolean {
  return ['HEAD', 'objects', 'refs'].every(has)
}

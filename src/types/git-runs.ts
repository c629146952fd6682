/**
 * What git runs, or takes the settings from that name what it runs. Whoever brings files from a sandbox to where people work leaves
 * it alone: hands in what file calls write, the kernel in what it takes over from a machine's disk.
 */

/**
 * Below a `.git`, and in a folder that is a repository itself; lower case. `commondir` names another folder for the first three; in
 * the last three stands what git runs when it goes on with a rebase.
 */
export const gitRuns: ReadonlySet<string> = new Set('hooks config config.worktree commondir rebase-merge rebase-apply sequencer'.split(' '))

/** @returns whether git takes a folder for a repository, without any `.git`. @param has whether it has an entry of that name */
export function isBareRepository(has: (name: string) => boolean): boolean {
  return ['HEAD', 'objects', 'refs'].every(has)
}

/**
 * What versions leave out of a walk, as hands judge it: names of the configuration, and repositories in every spelling that git refuses. And
 * what a command line may remove with a repository in it, so that it has a version from before; what a script or a variable removes is not
 * seen. And which folders of the person a version covers: what has their names later is something else.
 */
import { posix } from 'node:path'
import { fitsAnyName, isRepositoryName } from '../../../protocol/index.ts'
import { ownValue } from '../../../base/index.ts'
import type { NewCommit } from '../../../repository/index.ts'
import { maxRemovedNames } from '../limits.ts'

const foldersTrailer = 'Oxbow-Folders'

type IsOut = (path: string) => boolean

/** @returns whether a path of the workspace is left out of a snapshot */
export function leftOutBy(ignore: readonly string[]): IsOut {
  const isIgnored = fitsAnyName(ignore)
  return (path) => path.split('/').some((name) => isIgnored(name) || isRepositoryName(name))
}

/** @returns whether the configuration leaves it out */
export function ignoredBy(ignore: readonly string[]): IsOut {
  const isIgnored = fitsAnyName(ignore)
  return (path) => path.split('/').some(isIgnored)
}

const removers = /(?:^|[\s;&|(`'"/])(?:rm|mv|find|rsync|unlink|shred)\s/
const separators = /[\s;&|()<>`'"=]+/
const wildcards = /[*?[{$~\\]/

/**
 * @param command a line of a shell, or a program with its arguments
 * @param cwd folder in which the command starts
 * @returns whole paths, as they are named; none if nothing in it removes files
 */
export function removedNames(command: string | readonly string[], cwd: string): readonly string[] {
  const line = typeof command === 'string' ? command : command.join(' ')
  if (!removers.test(line)) return []
  // An argument of a program is a name as it is, blanks too; it can also be a script.
  const whole = typeof command === 'string' ? [] : command
  const words = [...whole, ...line.split(separators)].filter((word) => word !== '' && !word.startsWith('-'))
  const bases = [posix.resolve('/shared', cwd)]
  for (const [at, word] of words.entries())
    if (word === 'cd' && words[at + 1] !== undefined) bases.push(posix.resolve(bases.at(-1)!, words[at + 1]!))
  const named = words.flatMap((word) => {
    const wild = wildcards.exec(word)
    // Of a pattern, all in its folder.
    const sure = wild === null ? word : `./${word.slice(0, word.lastIndexOf('/', wild.index) + 1)}`
    return bases.map((base) => posix.resolve(base, sure))
  })
  return [...new Set(named)].filter((path) => path === '/shared' || path.startsWith('/shared/')).slice(0, maxRemovedNames)
}

/** @param covered as `KernelOptions` has them @returns the facts of a commit, which name the folders of the person in it */
export function inFolders<Facts extends Pick<NewCommit, 'trailers'>>(facts: Facts, covered: readonly string[]): Facts {
  return covered.length === 0 ? facts : { ...facts, trailers: { ...facts.trailers, [foldersTrailer]: covered.join(' ') } }
}

/** @param trailers of a version, by name in lower case @returns the names in /shared of the folders of the person in it */
export function foldersIn(trailers: Readonly<Record<string, string>>): readonly string[] {
  const all = (ownValue(trailers, foldersTrailer.toLowerCase()) ?? '').split(' ').filter((one) => one !== '')
  return all.map((one) => decodeURIComponent(one.slice(0, one.lastIndexOf(':'))))
}

/**
 * @param path in the tree @param trailers of the version that has it, by name in lower case @param covered now
 * @returns why the path means something else now; empty where it does not, or where the version does not say
 */
export function movedFolder(path: string, trailers: Readonly<Record<string, string>>, covered: readonly string[]): string {
  const named = `${encodeURIComponent(/^shared\/([^/]+)\//.exec(path)?.[1] ?? '')}:`
  const then = (ownValue(trailers, foldersTrailer.toLowerCase()) ?? '').split(' ').find((one) => one.startsWith(named))
  if (then === undefined || covered.includes(then)) return ''
  return covered.some((one) => one.startsWith(named)) ? 'another folder has that name now' : 'agents cannot change that folder now'
}
